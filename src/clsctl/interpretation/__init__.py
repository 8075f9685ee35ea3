"""What a network sees: embeddings and Grad-CAM."""
