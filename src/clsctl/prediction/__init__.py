"""Classify inputs: the classifier, jobs, the pipeline, and where results go."""
