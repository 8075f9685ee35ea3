"""Lists of models."""
