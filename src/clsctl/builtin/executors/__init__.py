"""Executors: where prediction runs."""
