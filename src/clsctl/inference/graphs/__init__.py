"""Rewrite ONNX graphs where libraries would compute them more slowly."""
