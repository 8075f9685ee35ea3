"""Look into a network: embeddings and Grad-CAM."""
