"""What ships with clsctl as plugins, one package for each kind."""
