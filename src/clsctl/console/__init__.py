"""Messages, progress and tables for the terminal."""
