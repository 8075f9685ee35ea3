"""Hold pixels as they go from the decoding process to another one, and make them of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from clsctl.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class RawPixels(NamedTuple):
    """Pixels as they go from one process to another: height x width x 3 bytes, RGB."""

    height: int
    width: int
    content: bytes | memoryview


class RawPage(NamedTuple):
    """A page, or a single image.

    Attributes:
        number: From 0; None for a single image.
        decode: Returns its pixels; whatever a damaged file makes the decoder raise is raised.
        values: Returns the values as they are stored, [H, W] or [H, W, 3] RGB; None where they
            have 8 bits in any case.
    """

    number: int | None
    decode: Callable[[], RawPixels]
    values: Callable[[], NDArray[Any]] | None = None


def raw_of_image(image: Any) -> RawPixels:
    """Return the pixels of an image of Pillow's."""
    if image.mode.startswith("I;16"):
        import numpy as np

        return raw_of_values(eight_bits(np.asarray(image)))
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return RawPixels(rgb.height, rgb.width, rgb.tobytes())


def raw_of_values(values: NDArray[np.uint8]) -> RawPixels:
    """Return the pixels of uint8 [H, W] or [H, W, 3], RGB."""
    import numpy as np

    rgb = values[:, :, None].repeat(3, axis=2) if values.ndim == 2 else values
    return RawPixels(rgb.shape[0], rgb.shape[1], np.ascontiguousarray(rgb).reshape(-1).data)


def eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale values to 8 bits, as scikit-image's `img_as_ubyte` does, or refuse to.

    Sixteen bits become their high byte, as in a PNG; fractions from 0 to 1 are multiplied by 255.
    Other fractions and whole numbers of 32 bits have no white that is agreed upon: they are taken
    as they are where all lie in 0 to 255, as in PaddleX, and would be clipped to black or white
    elsewhere.
    """
    import numpy as np

    if values.dtype.itemsize == 2:
        high: NDArray[np.uint8] = (values >> 8).astype(np.uint8)
        return high
    least, most = values.min(), values.max()
    if not (least >= 0 and most <= 255):  # nor is that true of what is no number
        raise DataError(
            f"its values, from {least:g} to {most:g}, cannot be shown: 0 to 1 can, and 0 to 255",
            code="E_IMAGE_RANGE",
            hint="train on such images, and the model reads them as they are; or scale the values "
            "and save them with 8 or 16 bits",
        )
    fractions = values.dtype.kind == "f" and most <= 1
    scaled: NDArray[np.uint8] = np.rint(values * 255 if fractions else values).astype(np.uint8)
    return scaled
