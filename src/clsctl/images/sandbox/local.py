"""Decode in this process, where the system cannot bound another one: on Windows.

A document can then take any amount of memory and time; docs/reference/platforms.md says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clsctl.images.page import Warn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class LocalDocument:
    """A document that is asked as one in a process of its own is.

    Args:
        fields: What that process would be told.
        data: The file's content.
    """

    ended = False

    def __init__(self, fields: Mapping[str, Any], data: bytes) -> None:
        from clsctl.images.sandbox.child import Document

        self._document = Document(fields, data)

    def ask(self, request: str) -> dict[str, Any]:
        """Return the answer's fields, or raise the DataError that is the answer."""
        return self._document.answer(request)[0]

    def decode(self, max_pixels: int, warn: Warn) -> NDArray[np.uint8]:
        """Decode the current page: uint8 [height, width, 3], RGB; it has at most those pixels."""
        import numpy as np

        fields, content = self._document.answer("pixels")
        for warning in fields["warnings"]:
            warn(warning)
        shape = fields["height"], fields["width"], 3
        return np.frombuffer(content, np.uint8).reshape(shape).copy()
