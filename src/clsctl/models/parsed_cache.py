"""Keep what a document says, so that it is parsed once: YAML and TOML take as long as an image.

It is kept as JSON in the cache, under the SHA256 of all that it follows from, so that it is never
out of date. Whoever cannot write there parses again each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from clsctl.schema.documents import load_document, parse_document
from clsctl.schema.errors import SchemaError
from clsctl.settings import folders
from clsctl.system.files import atomic_replace
from clsctl.values import __version__

FOLDER = "documents"


def parse_once(text: str, suffix: str, verbatim: Collection[str] = ()) -> Any:
    """Return what `clsctl.schema.documents.parse_document` does, and raise the same."""
    kept = _path(__version__, suffix, *verbatim, text)
    try:
        return load_document(kept)
    except SchemaError:
        document = parse_document(text, suffix, verbatim)
        with contextlib.suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            with atomic_replace(kept) as part:
                part.write_text(json.dumps(document), encoding="utf-8")
        return document


def _path(*parts: str) -> Path:
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return folders().cache / FOLDER / f"{key}.json"
