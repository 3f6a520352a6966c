"""The list of customers to call first, and agents' claims on it."""
