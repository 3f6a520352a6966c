"""The pages are true: examples run, links lead somewhere, references follow the code."""
