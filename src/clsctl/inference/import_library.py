"""Import the library of a backend, as a script: `clsctl doctor` runs it in a process of its own."""

from __future__ import annotations

import sys

from clsctl.plugin.registry import default_registry

if __name__ == "__main__":
    default_registry().get("backends", sys.argv[1]).import_library()
