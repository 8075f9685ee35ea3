"""Quantise models to 8-bit integers, and judge whether they are good enough."""
