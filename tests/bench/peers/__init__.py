"""Tests of bench/: each measurement runs at a tiny size and gives a figure that can be."""
