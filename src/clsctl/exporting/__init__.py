"""From trained weights to model files that other programs load."""
