"""Decoders that may take any amount of memory and time, in processes that may be ended."""
