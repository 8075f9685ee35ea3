"""Check a dataset: every rule, the scan behind it, and its reports."""
