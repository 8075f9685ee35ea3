"""The fixtures of tests/support/fixtures.py, for every test below this folder."""

from fixtures import call, clsctl, home, one_thread, ready, tiny, tiny_cache

__all__ = ["call", "clsctl", "home", "one_thread", "ready", "tiny", "tiny_cache"]
