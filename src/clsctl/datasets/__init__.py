"""Datasets: read the three layouts, find what breaks training, split what is to be trusted."""
