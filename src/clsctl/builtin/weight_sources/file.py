"""Fetch weights from a folder: `file:` URLs, which is also how a mirror folder is read."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from clsctl.errors import ModelError
from clsctl.models.archive import too_large
from clsctl.paths import open_regular
from clsctl.plugin import FetchRequest, WeightSource, hookimpl
from clsctl.system.files import require_space

_CHUNK = 1 << 20


@hookimpl
def clsctl_weight_sources() -> list[WeightSource]:
    return [
        WeightSource("file", "Copies from a local folder or mount", ("file",), fetch, local=True)
    ]


def fetch(request: FetchRequest) -> Path:
    """Copy the file that the URL names into the work folder.

    Raises:
        ModelError: There is no such file, it cannot be read (`E_NO_SUCH_FILE`), or it is too
            large (`E_TOO_LARGE`).
    """
    try:
        source = Path(url2pathname(urlsplit(request.url).path))
        stream = open_regular(source)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"the file cannot be read: {reason}", code="E_NO_SUCH_FILE") from None
    target = request.workdir / source.name
    with stream, target.open("wb") as out:
        total = os.fstat(stream.fileno()).st_size
        if total > request.max_bytes:
            raise too_large("the file holds", request.max_bytes)
        require_space(request.workdir, total)
        while block := stream.read(_CHUNK):
            out.write(block)
            request.progress(out.tell(), total)
    return target
