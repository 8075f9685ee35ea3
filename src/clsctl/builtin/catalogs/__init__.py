"""Provide the lists of models."""
