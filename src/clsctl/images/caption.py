"""Draw a caption on an image, in a bundled font with Latin, Cyrillic and CJK glyphs."""

from __future__ import annotations

from bisect import bisect_right
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

IMAGE_FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".bmp": "BMP",
    ".webp": "WebP",
}
FONT = "wqy-microhei.ttc"
LARGEST, SMALLEST = 0.05, 0.02
READABLE = 9
INK, PAPER = (255, 255, 255), (20, 78, 140)


def draw_label(pixels: NDArray[np.uint8], caption: str) -> Image:
    """Draw a caption in the top left corner of an image.

    The text takes 5 % of the image's width, shrinks to 2 % where it is long, and is cut with an
    ellipsis where it does not fit even then.

    Args:
        pixels: uint8 [H, W, 3], RGB.
        caption: Any text; line breaks become blanks.
    """
    from PIL import Image, ImageDraw

    image = Image.fromarray(pixels)
    line = " ".join(caption.split())
    font = _fitting_font(line, image.width)
    text = _cut(line, font, image.width)
    left, top, right, bottom = (int(edge) for edge in font.getbbox(text))
    pad = max(1, round(font.size / 5))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, right - left + 2 * pad, bottom - top + 2 * pad), fill=PAPER)
    draw.text((pad - left, pad - top), text, fill=INK, font=font)
    return image


def _fitting_font(text: str, width: int) -> FreeTypeFont:
    smallest = max(READABLE, int(width * SMALLEST))
    for size in range(max(READABLE, int(width * LARGEST)), smallest, -1):
        font = _font(size)
        if font.getlength(text) <= width:
            return font
    return _font(smallest)


def _font(size: int) -> FreeTypeFont:
    from PIL import ImageFont

    with resources.as_file(resources.files("clsctl") / "fonts" / FONT) as path:
        # The other engine fails on some texts, and knows scripts that this font does not have.
        return ImageFont.truetype(Path(path), size, layout_engine=ImageFont.Layout.BASIC)


def _cut(text: str, font: FreeTypeFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    lengths = range(len(text))
    fitting = bisect_right(lengths, float(width), key=lambda n: font.getlength(f"{text[:n]}…"))
    return f"{text[: max(0, fitting - 1)]}…"
