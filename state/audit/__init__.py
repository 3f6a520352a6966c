"""The trail of who saw which customer's data."""
