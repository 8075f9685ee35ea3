"""The files of a run's folder: configuration, run card, results and checkpoints."""
