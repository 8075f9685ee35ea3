"""`clsctl dataset check`: every rule, the scan behind it, and its reports."""
