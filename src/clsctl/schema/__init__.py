"""Declare what a file or a setting may hold, and read it: one checked value, or one error."""
