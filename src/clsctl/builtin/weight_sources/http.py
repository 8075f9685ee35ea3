"""Fetch weights over HTTP and HTTPS: broken transfers are resumed, stalled ones given up.

The bytes go to `workdir/download`; beside it, `download.json` holds what identifies the file on
the server (ETag or Last-Modified, and its length), so that a later attempt only ever continues
the same file (RFC 9110, sections 13.1.5 and 14.2).
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.errors import NetworkError
from clsctl.models.archive import too_large
from clsctl.paths import exists
from clsctl.plugin import FetchRequest, WeightSource, hookimpl
from clsctl.schema.constraints import NonNegativeInt
from clsctl.schema.documents import read_document
from clsctl.schema.errors import SchemaError
from clsctl.settings import load_settings
from clsctl.system.files import require_space

if TYPE_CHECKING:
    from clsctl.http_client import httpx

ATTEMPTS = 3
BACKOFF_S = 0.25
_RETRY_STATUS = frozenset({408, 416, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class _Identity:
    """What tells one version of a file on a server from another; `total` in bytes."""

    validator: str = ""
    total: NonNegativeInt | None = None


@hookimpl
def clsctl_weight_sources() -> list[WeightSource]:
    help_text = "Downloads from a web server, resuming broken transfers"
    return [WeightSource("http", help_text, ("http", "https"), fetch)]


def fetch(request: FetchRequest) -> Path:
    """Download the URL into the work folder.

    A transient failure is tried again, up to `ATTEMPTS` times in a row without any progress.

    Raises:
        NetworkError: No socket may be opened (`E_OFFLINE`), the server refused (`E_HTTP_STATUS`),
            stalled (`E_TIMEOUT`) or could not deliver the whole file (`E_NETWORK`), or the
            environment's proxy or certificates are unusable (`E_NETWORK_SETTINGS`).
        ModelError: The file is larger than allowed (`E_TOO_LARGE`).
    """
    from clsctl.http_client import httpx

    if request.offline:
        raise _offline(request)
    part = request.workdir / "download"
    timeout = load_settings().timeout
    furthest, failures = _size(part), 0
    with _client(timeout) as client:
        while True:
            try:
                _attempt(client, request, part)
                return part
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                failures = 0 if _size(part) > furthest else failures + 1
                furthest = max(furthest, _size(part))
                if failures == ATTEMPTS or not _is_transient(error):
                    raise _explain(error, timeout) from error
            time.sleep(BACKOFF_S * failures)


def _client(timeout: int) -> httpx.Client:
    from clsctl.http_client import httpx

    try:
        return httpx.Client(follow_redirects=True, timeout=timeout or None)
    except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
        raise NetworkError(
            f"the settings for proxy or certificates cannot be used: {error}",
            code="E_NETWORK_SETTINGS",
            hint="look at HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and SSL_CERT_FILE",
        ) from error


def _attempt(client: httpx.Client, request: FetchRequest, part: Path) -> None:
    from clsctl.http_client import httpx

    identity = _read_identity(part)
    if exists(part) and _size(part) == identity.total:
        return  # arrived earlier, and the run ended before it could be unpacked
    headers = {"Accept-Encoding": "identity"} | _resume_headers(part, identity)
    with client.stream("GET", request.url, headers=headers) as response:
        resumed = response.status_code == 206
        if response.status_code == 416 or (resumed and not _continues(response, part, identity)):
            part.unlink(missing_ok=True)
            raise httpx.RemoteProtocolError("the server has another version of the file")
        response.raise_for_status()
        if not resumed:
            part.write_bytes(b"")
            identity = _write_identity(part, response)
        _require_room(request, identity.total, _size(part))
        _receive(response, request, part, identity.total)


def _receive(
    response: httpx.Response, request: FetchRequest, part: Path, total: int | None
) -> None:
    from clsctl.http_client import httpx

    with part.open("ab") as out:
        for block in response.iter_raw():
            out.write(block)
            out.flush()  # what has arrived is not asked for again, even if this run is killed
            if out.tell() > request.max_bytes:
                raise too_large("the server sent", request.max_bytes)
            request.progress(out.tell(), total)
        done = out.tell()
    if total is not None and done != total:
        raise httpx.RemoteProtocolError(f"{done:,} of {total:,} bytes arrived")


def _require_room(request: FetchRequest, total: int | None, done: int) -> None:
    """Require space for a file; an inference model needs it twice, as an archive and unpacked."""
    if total is None:
        return
    if total > request.max_bytes:
        raise too_large(f"the file has {total:,} bytes,", request.max_bytes)
    unpacked = total if request.kind == "inference" else 0
    require_space(request.workdir, total - done + unpacked)


# ---- which file it is --------------------------------------------------------------------------


def _resume_headers(part: Path, identity: _Identity) -> dict[str, str]:
    done = _size(part)
    if not done or not identity.validator:
        return {}
    return {"Range": f"bytes={done}-", "If-Range": identity.validator}


def _continues(response: httpx.Response, part: Path, identity: _Identity) -> bool:
    """Whether a partial answer starts where `part` ends and belongs to the same file."""
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    span, _, total = rest.partition("/")
    start = span.partition("-")[0]
    return (unit, start, total) == (
        "bytes",
        str(_size(part)),
        str(identity.total),
    ) and _validator(response) in ("", identity.validator)


def _validator(response: httpx.Response) -> str:
    """A strong ETag, else the date of the last change, as far as it may go into If-Range."""
    etag, date = (response.headers.get(name, "") for name in ("ETag", "Last-Modified"))
    strong = "" if etag.startswith("W/") else etag
    return next((text for text in (strong, date) if text and _can_be_sent(text)), "")


def _can_be_sent(text: str) -> bool:
    """Whether a header may hold it; servers send what they must not."""
    return text.isascii() and text.isprintable()


def _write_identity(part: Path, response: httpx.Response) -> _Identity:
    from clsctl.http_client import httpx

    length = response.headers.get("Content-Length", "")
    if not length.isdecimal() and response.headers.get("Transfer-Encoding") != "chunked":
        raise httpx.UnsupportedProtocol("the server does not say where the file ends")
    total = int(length) if length.isdecimal() else None
    identity = _Identity(validator=_validator(response), total=total)
    _identity_path(part).write_text(json.dumps(asdict(identity)), encoding="utf-8")
    return identity


def _read_identity(part: Path) -> _Identity:
    try:
        identity = read_document(_Identity, _identity_path(part))
    except SchemaError:
        return _Identity()
    return identity if _can_be_sent(identity.validator) else replace(identity, validator="")


def _identity_path(part: Path) -> Path:
    return part.with_suffix(".json")


def _size(part: Path) -> int:
    return part.stat().st_size if exists(part) else 0


# ---- what went wrong ---------------------------------------------------------------------------


def _is_transient(error: Exception) -> bool:
    from clsctl.http_client import httpx

    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _RETRY_STATUS
    permanent = isinstance(error, httpx.UnsupportedProtocol)
    return isinstance(error, httpx.TransportError) and not permanent


def _explain(error: Exception, timeout: int) -> NetworkError:
    from clsctl.http_client import httpx

    code = "E_NETWORK"
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, httpx.HTTPStatusError):
        response = error.response
        code = "E_HTTP_STATUS"
        reason = f"the server answered {response.status_code} {response.reason_phrase}".rstrip()
    elif isinstance(error, (httpx.InvalidURL, ValueError)):  # of which UnicodeError is a kind
        reason = f"this is no URL, or leads to none: {reason}"
    elif isinstance(error, httpx.TimeoutException):
        code, reason = "E_TIMEOUT", f"nothing came from the server for {timeout} s"
    hint = (
        "check the connection (or HTTPS_PROXY), or name another server with --mirror; the same "
        "command resumes where this one stopped"
    )
    return NetworkError(reason, code=code, hint=hint)


def _offline(request: FetchRequest) -> NetworkError:
    return NetworkError(
        "this is a network address, and clsctl is offline",
        code="E_OFFLINE",
        hint="pull it without --offline (and CLSCTL_OFFLINE), or bring the file and type "
        f"`clsctl models import FILE --name {request.entry.name}`",
    )
