"""Models in 8-bit integers, and whether they are good enough."""
