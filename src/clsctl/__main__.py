"""`python -m clsctl`."""

from clsctl.main import main

main()
