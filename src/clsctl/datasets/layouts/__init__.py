"""Read a dataset from class folders, from lists or from a table."""
