"""Batches of images for training and evaluation: reading, caching, sampling, augmentation."""
