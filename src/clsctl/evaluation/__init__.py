"""Scoring a model on a dataset: metrics, calibration, label errors, reports."""
