"""The training configuration: its keys, its sources and its recipes."""
