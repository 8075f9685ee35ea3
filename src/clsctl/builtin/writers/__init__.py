"""Formats for prediction results."""
