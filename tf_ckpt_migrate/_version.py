"""The version of the package; ``setup.py`` reads this line without importing."""

__all__ = ["__version__"]

__version__ = "0.1.0"
