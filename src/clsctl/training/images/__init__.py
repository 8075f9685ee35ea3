"""What training does with its images: keeps them, lets them grow, brings them to 8 bits."""
