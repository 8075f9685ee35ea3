"""Looking at PNG files."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def size_of_drawn_png(path: Path) -> tuple[int, int]:
    """Width and height of a PNG in which something is drawn."""
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        assert len(image.convert("RGB").getcolors(1 << 24) or ()) > 10
        return image.size
