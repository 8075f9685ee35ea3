"""Find the model that learns a dataset best in the time there is."""
