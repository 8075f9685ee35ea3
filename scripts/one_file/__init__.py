"""The parts of the one-file build, which scripts/binary.py puts together."""
