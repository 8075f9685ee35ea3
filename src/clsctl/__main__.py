"""`python -m clsctl`, and the `clsctl` command."""

import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Ctrl-C while modules are still being imported ends in one line too."""
    try:
        from clsctl.main import main
    except KeyboardInterrupt:
        print("error: interrupted [E_INTERRUPTED]", file=sys.stderr, flush=True)
        os._exit(130)
    main()


if __name__ == "__main__":
    main()
