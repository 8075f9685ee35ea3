"""Places where prediction runs."""
