"""Tests of several modules together, over real parts."""
