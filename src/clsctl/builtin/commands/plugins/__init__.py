"""The commands of `clsctl plugins`."""
