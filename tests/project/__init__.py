"""The project's own files: locks, commands, image, threats and their tests."""
