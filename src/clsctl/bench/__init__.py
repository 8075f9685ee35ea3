"""Measure what models cost on this machine, keep the figures, and estimate jobs from them."""
