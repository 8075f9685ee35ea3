"""Fetch weights, one file a way, by URL scheme."""
