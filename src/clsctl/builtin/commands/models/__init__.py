"""The commands of `clsctl models`."""
