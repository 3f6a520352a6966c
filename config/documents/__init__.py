"""YAML documents with line numbers, and problems that name a line or a dotted path."""
