"""Turn trained weights into model files that other programs load."""
