"""Split a dataset: stratified, by group, and the same for the same seed."""
