"""Ways to obtain weights, by URL scheme."""
