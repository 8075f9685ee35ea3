"""Pictures that are awkward in one way each, made when a test asks for them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]

HEIGHT, WIDTH = 60, 91
ORIENTATIONS = range(1, 9)


def photo(height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> Array:
    """Smooth waves and a little noise: uint8 [height, width, 3], RGB."""
    y, x, channel = np.mgrid[0:height, 0:width, 0:3]
    waves = 127 + 100 * np.sin(x / 17 + y / 29 + channel + seed)
    noise = np.random.default_rng(seed).normal(0, 9, waves.shape)
    return np.clip(waves + noise, 0, 255).astype(np.uint8)


def encoded(pixels: Array | Image.Image, kind: str, **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def oriented(kind: str, orientation: int, **options: Any) -> bytes:
    """The photo with an EXIF orientation, 1 to 8."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(photo(), kind, exif=exif, **options)


def upright(pixels: Array, orientation: int) -> Array:
    """What a reader shows of pixels stored with that orientation."""
    turned = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels, -1),
        7: pixels.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(pixels),
    }
    return turned[orientation]


def png16(pixels: Array) -> bytes:
    """A PNG of uint16 [H, W] or [H, W, 3]."""
    height, width = pixels.shape[:2]
    colour = 2 if pixels.ndim == 3 else 0
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return png(header, rows)


def png(header: bytes, rows: bytes) -> bytes:
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def tiff16(pixels: Array, order: str = "<", white_is_zero: bool = False) -> bytes:
    """An uncompressed TIFF of uint16 [H, W] or [H, W, 3], in that byte order."""
    height, width = pixels.shape[:2]
    channels = 3 if pixels.ndim == 3 else 1
    body = pixels.astype(f"{order}u2").tobytes()
    meaning = 2 if channels == 3 else 0 if white_is_zero else 1
    # Tag, type (3: 16 bits, 4: 32 bits), count, value; one behind the other as TIFF 6.0 has them.
    bits = (258, 3, channels, 8 + 2 + 12 * 10 + 4 if channels == 3 else 16)
    start = bits[3] + 6 if channels == 3 else 8 + 2 + 12 * 10 + 4
    entries = [(256, 4, 1, width), (257, 4, 1, height), bits, (259, 3, 1, 1), (262, 3, 1, meaning)]
    entries += [(273, 4, 1, start), (277, 3, 1, channels), (278, 4, 1, height)]
    entries += [(279, 4, 1, len(body)), (284, 3, 1, 1)]
    mark = {"<": b"II", ">": b"MM"}[order]
    table = b"".join(_tiff_entry(order, *entry) for entry in entries)
    head = mark + struct.pack(f"{order}HIH", 42, 8, len(entries)) + table + bytes(4)
    return head + struct.pack(f"{order}3H", 16, 16, 16) * (channels == 3) + body


def _tiff_entry(order: str, tag: int, kind: int, count: int, value: int) -> bytes:
    small = kind == 3 and count == 1
    content = struct.pack(f"{order}HH", value, 0) if small else struct.pack(f"{order}I", value)
    return struct.pack(f"{order}HHI", tag, kind, count) + content


def sun_raster(pixels: Array) -> bytes:
    height, width = pixels.shape[:2]
    rows = pixels[:, :, ::-1].reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2)))
    return struct.pack(">8I", 0x59A66A95, width, height, 24, rows.size, 1, 0, 0) + rows.tobytes()


def lossless() -> dict[str, bytes]:
    """Files whose pixels are exactly `photo()`."""
    pixels = photo()
    text = " ".join(map(str, pixels.ravel()))
    alpha = np.dstack([pixels, np.full(pixels.shape[:2], 90, np.uint8)])
    others = [Image.fromarray(photo(seed=1))]
    return {
        "rgb.png": encoded(pixels, "PNG"),
        "rgb.bmp": encoded(pixels, "BMP"),
        "rgb.webp": encoded(pixels, "WEBP", lossless=True),
        "rgb.tiff": encoded(pixels, "TIFF"),
        "lzw.tiff": encoded(pixels, "TIFF", compression="tiff_lzw"),
        "rgb.ppm": encoded(pixels, "PPM"),
        "text.ppm": f"P3 # a comment\n{WIDTH} {HEIGHT}\n255\n{text}".encode(),
        "rgb.ras": sun_raster(pixels),
        "rgb.jp2": encoded(pixels, "JPEG2000"),
        "alpha.png": encoded(alpha, "PNG"),
        "alpha.bmp": encoded(alpha, "BMP"),
        "alpha.tiff": encoded(alpha, "TIFF"),
        "alpha.webp": encoded(alpha, "WEBP", lossless=True, exact=True),
        "animated.png": encoded(pixels, "PNG", save_all=True, append_images=others),
        "animated.webp": encoded(
            pixels, "WEBP", lossless=True, save_all=True, append_images=others
        ),
        "sixteen.png": png16(pixels.astype(np.uint16) << 8 | 77),
        "sixteen.tiff": tiff16(pixels.astype(np.uint16) << 8 | 77),
        "sixteen-big-endian.tiff": tiff16(pixels.astype(np.uint16) << 8 | 77, ">"),
    }


def lossless_grey() -> dict[str, bytes]:
    """Files whose pixels are exactly the first channel of `photo()`, three times."""
    grey = photo()[:, :, 0]
    palette = Image.fromarray(grey).convert("P")
    deep = grey.astype(np.uint16) << 8 | 200
    return {
        "grey.png": encoded(grey, "PNG"),
        "grey.bmp": encoded(grey, "BMP"),
        "grey.tiff": encoded(grey, "TIFF"),
        "grey.pgm": encoded(grey, "PPM"),
        "grey.gif": encoded(palette, "GIF"),
        "palette.png": encoded(palette, "PNG"),
        "palette.bmp": encoded(palette, "BMP"),
        "grey-alpha.png": encoded(Image.fromarray(grey).convert("LA"), "PNG"),
        "animated.gif": encoded(
            palette, "GIF", save_all=True, append_images=[Image.fromarray(255 - grey)]
        ),
        "sixteen-grey.png": png16(deep),
        "sixteen-grey.tiff": tiff16(deep),
        "sixteen-grey-big-endian.tiff": tiff16(deep, ">"),
        "sixteen-grey-white-is-zero.tiff": tiff16(65535 - deep, white_is_zero=True),
        "sixteen.pgm": b"P5 %d %d 65535\n" % (WIDTH, HEIGHT) + deep.astype(">u2").tobytes(),
    }


def lossy() -> dict[str, bytes]:
    """JPEGs and a WebP of every kind that a camera or an editor writes."""
    image = Image.fromarray(photo())
    return {
        "baseline.jpg": encoded(image, "JPEG"),
        "full-chroma.jpg": encoded(image, "JPEG", subsampling=0),
        "progressive.jpg": encoded(image, "JPEG", progressive=True),
        "grey.jpg": encoded(image.convert("L"), "JPEG"),
        "cmyk.jpg": encoded(image.convert("CMYK"), "JPEG"),
        "trailer.jpg": encoded(image, "JPEG") + bytes(100),
        "lossy.webp": encoded(image, "WEBP"),
    }


def damaged() -> dict[str, tuple[bytes, str]]:
    """Files that are no pictures, each with the code of its error."""
    good = lossless() | lossless_grey() | lossy()
    cut = {name: (good[name][: len(good[name]) * 2 // 3], "E_IMAGE_TRUNCATED") for name in CUT}
    huge = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return {f"cut-{name}": content for name, content in cut.items()} | {
        "empty.jpg": (b"", "E_IMAGE_EMPTY"),
        "text.jpg": (b"this is no picture, whatever its name says\n", "E_IMAGE_UNSUPPORTED"),
        "noise.png": (np.random.default_rng(0).bytes(5000), "E_IMAGE_UNSUPPORTED"),
        "head.jpg": (b"\xff\xd8\xff\xe0", "E_IMAGE_TRUNCATED"),
        "no-end.png": (good["rgb.png"][:-12], "E_IMAGE_TRUNCATED"),
        "thumbnail.jpg": (_cut_behind_thumbnail(), "E_IMAGE_TRUNCATED"),
        "scratched.png": (_scratched(good["rgb.png"]), "E_IMAGE_CORRUPT"),
        "scratched.tiff": (good["lzw.tiff"][:8] + bytes(500), "E_IMAGE_CORRUPT"),
        "zero.png": (png(struct.pack(">IIBBBBB", 0, 5, 8, 2, 0, 0, 0), b""), "E_IMAGE_EMPTY"),
        "bomb.png": (png(huge, b"\0"), "E_IMAGE_TOO_LARGE"),
        "bomb.jpg": (_with_size(good["baseline.jpg"], 65_000, 65_000), "E_IMAGE_TOO_LARGE"),
        "bomb.bmp": (
            b"BM" + bytes(12) + struct.pack("<Iii", 40, 60_000, -60_000) + bytes(99),
            "E_IMAGE_TOO_LARGE",
        ),
        "bomb.ppm": (b"P6 60000 60000 255\n", "E_IMAGE_TOO_LARGE"),
        "bomb.gif": (b"GIF89a\xff\xff\xff\xff" + good["grey.gif"][10:], "E_IMAGE_TOO_LARGE"),
        "bomb.webp": (
            b"RIFF"
            + struct.pack("<I", 22)
            + b"WEBPVP8X"
            + struct.pack("<II", 10, 0)
            + b"\xff\xff\x00" * 2,
            "E_IMAGE_TOO_LARGE",
        ),
        "bomb.tiff": (_huge_tiff(), "E_IMAGE_TOO_LARGE"),
    }


CUT = ["baseline.jpg", "progressive.jpg", "cmyk.jpg", "rgb.png", "rgb.bmp", "rgb.webp", "rgb.ppm"]
CUT += ["rgb.ras", "sixteen.tiff", "grey.gif"]


def _scratched(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(40) + content[middle + 40 :]


def _with_size(jpeg: bytes, width: int, height: int) -> bytes:
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


def _cut_behind_thumbnail() -> bytes:
    """The thumbnail in the EXIF data is a whole JPEG, the picture is not."""
    thumbnail = encoded(photo(8, 8), "JPEG")
    jpeg = encoded(photo(), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    return (jpeg[:2] + segment + jpeg[2:])[: -len(jpeg) // 3]


def _huge_tiff() -> bytes:
    content = tiff16(photo())
    width = content.index(struct.pack("<HHI", 256, 4, 1)) + 8
    content = content[:width] + struct.pack("<I", 60_000) + content[width + 4 :]
    return content[: width + 12] + struct.pack("<I", 60_000) + content[width + 16 :]


def write(folder: Path, files: Mapping[str, bytes]) -> dict[str, Path]:
    """Write them, and the folders they name; their paths by name."""
    paths = {name: folder / name for name in files}
    for name, content in files.items():
        paths[name].parent.mkdir(parents=True, exist_ok=True)
        paths[name].write_bytes(content)
    return paths


def many_scans(count: int, side: int = 2000) -> bytes:
    """A progressive JPEG that goes over its pixels so many times."""
    data = encoded(np.zeros((side, side), np.uint8), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def tiff(values: Array, *, extra: int | None = None) -> bytes:
    """A TIFF without compression of any values, [height, width] or [height, width, channels].

    Up to two channels are grey, more are RGB; each beyond grey or RGB is an extra one, of that kind
    (0: nothing is known, 2: transparency), or not said to be one where that is None.
    """
    height, width, channels = (*values.shape, 1)[:3]
    colours = 1 if channels < 3 else 3
    data = values.astype(values.dtype.newbyteorder("<")).tobytes()
    tags = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [8 * values.dtype.itemsize] * channels),
        259: ("H", [1]),
        262: ("H", [1 if colours == 1 else 2]),
        273: ("I", [0]),
        277: ("H", [channels]),
        278: ("I", [height]),
        279: ("I", [len(data)]),
        338: ("H", [] if extra is None else [extra] * (channels - colours)),
        339: ("H", [3 if values.dtype.kind == "f" else 1] * channels),
    }
    tags = {tag: found for tag, found in tags.items() if found[1]}
    place = 14 + 12 * len(tags)
    lists = {
        tag: struct.pack(f"<{len(numbers)}{code}", *numbers)
        for tag, (code, numbers) in tags.items()
    }
    start = place + sum(len(packed) for packed in lists.values() if len(packed) > 4)
    lists[273] = struct.pack("<I", start)
    entries, heap = b"", b""
    for tag, (code, numbers) in tags.items():
        packed = lists[tag]
        where = packed if len(packed) <= 4 else struct.pack("<I", place + len(heap))
        heap += packed if len(packed) > 4 else b""
        kind = {"H": 3, "I": 4}[code]
        entries += struct.pack("<HHI", tag, kind, len(numbers)) + where.ljust(4, b"\0")
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    return head + entries + b"\0\0\0\0" + heap + data
