"""Data structures and codecs without a subject of their own."""
