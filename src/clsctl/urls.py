"""Print URLs without the secrets that they may hold.

User name and password never show. A query shows only where nothing in it looks like a credential:
in signed URLs every parameter belongs to the signature, so that all of them go.
"""

from __future__ import annotations

import logging
import re

HIDDEN = "..."
"""What stands for a query or fragment that is not shown."""

_LONGEST = 200
# One slash is left of two where a URL was taken for a path.
_SCHEME = r"[a-z][a-z0-9+.-]+:/+"
_URL = re.compile(_SCHEME + r"[^\s'\"<>]+", re.IGNORECASE)
_WHOLE = re.compile(rf"({_SCHEME})(.*)", re.IGNORECASE | re.DOTALL)
# What is no port after a colon is a password, even one with a slash that should have been encoded.
_PARTS = re.compile(r"(?:[^/?#]*@|[^/?#]*:(?!\d*(?:[/?#]|$)).*@)?([^?#]*)(.*)", re.DOTALL)
_CREDENTIAL_NAME = re.compile(
    r"auth|code|cred|expir|hmac|jwt|key|pass|policy|pwd|saml|secret|session|sid|sig|ticket|token"
    r"|user|^x-",
    re.IGNORECASE,
)
_CREDENTIAL_VALUE = re.compile(r"(?=\D*\d)[^&;=]{20,}|[^&;=]{32,}")
_LOGGERS = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "proxy", "socks")))


def printable_url(url: str) -> str:
    """Return a URL without user name, password and what looks like a credential in its query.

    What is no URL is returned as it is; of a `data:` URI, only its beginning.
    """
    if url[:5].lower() == "data:":
        return url if len(url) <= _LONGEST else f"{url.partition(',')[0][:_LONGEST]},{HIDDEN}"
    whole = _WHOLE.fullmatch(url)
    match = whole and _PARTS.fullmatch(whole[2])
    if not whole or not match:
        return url
    address, query = match.groups()
    shown = query[0] + HIDDEN if _has_credential(query) else query
    return f"{whole[1]}{address}{shown}"


def printable_urls(text: str) -> str:
    """Return a text in which every URL is as `printable_url` shows it."""
    return _URL.sub(lambda match: printable_url(match[0]), text)


def hide_secrets_in_logs() -> None:
    """Let the log records of httpx and httpcore, whoever prints them, hold printable URLs only."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_make_printable)


def _has_credential(query: str) -> bool:
    parameters = (item.partition("=") for item in re.split("[&;?#]", query))
    return any(
        _CREDENTIAL_NAME.search(name) or _CREDENTIAL_VALUE.search(value or name)
        for name, _, value in parameters
    )


def _make_printable(record: logging.LogRecord) -> bool:
    record.msg, record.args = printable_urls(record.getMessage()), None
    return True
