"""The real parts that tests use, what a machine has of them, and what happens where one is missing."""
