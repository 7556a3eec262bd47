"""An active-learning labeling-loop server."""

__version__ = "0.1.0"
