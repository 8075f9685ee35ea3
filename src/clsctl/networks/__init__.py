"""Trainable networks: their base class, how they are built, counted, loaded and grouped."""
