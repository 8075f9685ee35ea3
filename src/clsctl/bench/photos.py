"""Make photos to measure with, where no dataset is given."""

from __future__ import annotations

from pathlib import Path

COUNT, HEIGHT, WIDTH, QUALITY = 16, 375, 500, 90
"""The usual size of an ImageNet photo; 53 kB on average."""


def write_photos(folder: Path) -> list[Path]:
    """Write JPEGs that cost as much to decode as photos do; the same ones each time."""
    return [_write_photo(folder / f"{seed:02}.jpg", seed) for seed in range(COUNT)]


def _write_photo(path: Path, seed: int) -> Path:
    """Write noise at every scale, as photos have it: the finer, the weaker."""
    import cv2
    import numpy as np

    rng = np.random.default_rng(seed)
    pixels = np.full((HEIGHT, WIDTH, 3), 128, np.float32)
    for octave in range(2, 9):
        coarse = rng.normal(0, 90 / octave**1.2, (2**octave * 3 // 4, 2**octave, 3)).astype(
            np.float32
        )
        pixels += cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    shown = pixels.clip(0, 255).astype(np.uint8)
    path.write_bytes(cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes())
    return path
