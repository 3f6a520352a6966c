"""The same job in other stream engines: a folder for each, with its program and its pinned requirements."""
