"""One file a library that runs exported models."""
