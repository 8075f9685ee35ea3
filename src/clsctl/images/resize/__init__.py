"""Resize and crop images to the bit as OpenCV and Pillow do."""
