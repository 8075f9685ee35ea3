"""From inputs to results: the classifier, the pipeline, and where results go."""
