"""The catalog, the store of weights on this machine, and model directories."""
