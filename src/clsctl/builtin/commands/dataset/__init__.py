"""The commands of `clsctl dataset`."""
