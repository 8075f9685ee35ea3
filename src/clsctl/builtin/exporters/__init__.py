"""One file for each format that `clsctl export` writes."""
