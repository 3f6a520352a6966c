"""Several engine processes that work as one."""
