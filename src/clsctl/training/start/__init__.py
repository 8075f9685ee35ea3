"""The start of fine-tuning: a classifier that is fitted to the features that are there already."""
