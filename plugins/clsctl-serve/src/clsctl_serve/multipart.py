"""Find the files of a multipart/form-data body, which is in memory and stays there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from clsctl_serve.engine import Upload
from clsctl_serve.refusal import bad_request

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

LONGEST_NAME = 255


def parse_files(body: bytes, content_type: str, most: int) -> list[Upload]:
    """Return the files of a form, whatever their fields are called; other fields are left out.

    Args:
        body: The whole body.
        content_type: The request's, which holds the boundary.
        most: How many files there may be.

    Raises:
        Refusal: It is no multipart body, or has too many parts.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise bad_request("the Content-Type multipart/form-data has no boundary")
    form = _Form(most)
    try:
        parser = MultipartParser(boundary, form.callbacks())
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise bad_request(f"the multipart body is damaged: {error}") from None
    if not form.complete:
        raise bad_request("the multipart body is cut short")
    return form.uploads


class _Form:
    """What a parser that calls back has found."""

    def __init__(self, most: int) -> None:
        self.uploads: list[Upload] = []
        self.complete = False
        self._most, self._parts = most, 0
        self._field, self._value = bytearray(), bytearray()
        self._name: str | None = None
        self._content: list[bytes] = []

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_field,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_part_data": self._add_content,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > 2 * self._most + 16:
            raise bad_request(f"the form has more than {self._most} files")
        self._name, self._content = None, []
        self._field.clear()
        self._value.clear()

    def _add_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if bytes(self._field).lower() == b"content-disposition":
            options = parse_options_header(bytes(self._value))[1]
            if b"filename" in options:
                self._name = options[b"filename"].decode("utf-8", "replace")
        self._field.clear()
        self._value.clear()

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        if self._name is not None:
            self._content.append(data[start:end])

    def _end(self) -> None:
        if self._name is not None:
            name = self._name[:LONGEST_NAME] or f"image[{len(self.uploads)}]"
            self.uploads.append(Upload(name, b"".join(self._content)))

    def _finish(self) -> None:
        self.complete = True
