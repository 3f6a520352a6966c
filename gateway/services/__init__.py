"""What the API and the push server share: audit, feedback, claims."""
