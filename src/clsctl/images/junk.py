"""Tell the files that systems and programs leave beside the user's own."""

from __future__ import annotations

_LEFTOVERS = frozenset(
    {"$recycle.bin", ".ds_store", ".ipynb_checkpoints", "#recycle", "@eadir", "__macosx"}
    | {"__pycache__", "desktop.ini", "lost+found", "system volume information", "thumbs.db"}
)


def is_leftover(name: str) -> bool:
    """Whether a file or folder of this name was left by a system or a program."""
    return name.startswith("._") or name.lower() in _LEFTOVERS


def is_ignored(name: str) -> bool:
    """Whether a folder is read as if nothing of this name were there: hidden, or left over."""
    return name.startswith(".") or is_leftover(name)
