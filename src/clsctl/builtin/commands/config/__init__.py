"""The commands of `clsctl config`."""
