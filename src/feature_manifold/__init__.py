"""See the geometry of a language model's features."""

__version__ = "0.1.0"
