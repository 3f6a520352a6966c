"""Settings and the journey catalogue: loaded, checked, refused with every problem at once.

The only room that reads the environment and YAML. Here too is the shape of a metric, which engine and
gateway share (``config.metric``).
"""

from config.documents.problems import ConfigurationError, Problem
from config.loader.load import load_catalogue
from config.settings.load import Settings, load_settings

__all__ = ["ConfigurationError", "Problem", "Settings", "load_catalogue", "load_settings"]
