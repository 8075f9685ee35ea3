"""Download images by http and https, within limits of bytes, time and addresses."""
