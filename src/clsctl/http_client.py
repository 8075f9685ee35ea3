"""Import httpx so that no log record of it holds a secret: `from clsctl.http_client import httpx`.

Nothing else imports it, so that no request can be logged with a signed URL, whoever prints logs.
Nor is each request a line on the screen, as it would be after Paddle's import, which prints logs.
"""

import logging

import httpx

from clsctl.urls import hide_secrets_in_logs

__all__ = ["httpx"]

hide_secrets_in_logs()
if logging.getLogger("httpx").level == logging.NOTSET:
    logging.getLogger("httpx").setLevel(logging.WARNING)
