"""Writers: formats for prediction results."""
