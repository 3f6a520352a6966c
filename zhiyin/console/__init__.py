"""What commands share at a terminal: arguments, errors, progress, logs."""
