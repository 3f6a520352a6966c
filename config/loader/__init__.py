"""Loads and checks the journey catalogue; its YAML is in config/catalog/."""
