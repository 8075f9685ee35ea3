"""`clsctl dataset split`: stratified, grouped and reproducible."""
