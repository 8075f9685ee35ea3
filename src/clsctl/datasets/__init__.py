"""Read datasets of three layouts, find what breaks training, split them and convert them."""
