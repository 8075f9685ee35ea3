"""`clsctl bench`: what models cost on this machine, measured and kept."""
