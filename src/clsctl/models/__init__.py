"""Find models: in the catalog, in the store on this machine, and in model directories."""
