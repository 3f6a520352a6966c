"""Whole catalogues: the shipped one, mangled ones, and every mistake."""
