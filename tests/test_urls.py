"""Secrets in URLs are never shown; what tells one input from another is."""

from __future__ import annotations

import logging

import httpx
import pytest
from servers import serving, whole

from clsctl.urls import hide_secrets_in_logs, printable_url, printable_urls

SIGNED = [
    "https://bucket.s3.amazonaws.com/a.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=5ec2e7",
    "https://storage.googleapis.com/b/a.jpg?GoogleAccessId=x%40y&Expires=1&Signature=5ec2e7",
    "https://account.blob.core.windows.net/c/a.jpg?sv=2024-01-01&sr=b&sig=5ec2e7%3D",
    "https://b.oss-cn-beijing.aliyuncs.com/a.jpg?OSSAccessKeyId=L&Expires=1&Signature=5ec2e7",
    "https://b.cos.ap-beijing.myqcloud.com/a.jpg?q-sign-algorithm=sha1&q-signature=5ec2e7",
    "https://b.bj.bcebos.com/a.jpg?authorization=bce-auth-v1%2F5ec2e7",
    "https://host/a.jpg?id=7&access_token=5ec2e7",
    "https://host/a.jpg?id=7;apikey=5ec2e7",
    "https://host/a.jpg#token=5ec2e7",
    "https://host/a.jpg?v=eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.5ec2e7",
]


@pytest.mark.parametrize("url", SIGNED)
def test_the_query_of_a_signed_url_is_not_shown(url: str) -> None:
    shown = printable_url(url)
    assert "5ec2e7" not in shown
    assert shown == url[: url.index("a.jpg") + 6] + "..."


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:5ec2e7@host:81/a.jpg", "http://host:81/a.jpg"),
        ("http://user:5e/c2@e7?@host/a.jpg", "http://host/a.jpg"),
        ("http:/user:5ec2e7@host/a.jpg?token=5ec2e7", "http:/host/a.jpg?..."),
        ("C:/a@b.jpg?token=1", "C:/a@b.jpg?token=1"),
        ("s3://user:5ec@2e7@bucket/a.jpg", "s3://bucket/a.jpg"),
        (
            "https://host:81/@user/a.jpg?id=7&size=large#top",
            "https://host:81/@user/a.jpg?id=7&size=large#top",
        ),
        ("photos/a@b.jpg", "photos/a@b.jpg"),
        ("data:image/png;base64," + "A" * 5000, "data:image/png;base64,..."),
        ("", ""),
    ],
)
def test_what_is_no_secret_is_shown(url: str, shown: str) -> None:
    assert printable_url(url) == shown


def test_urls_inside_a_text_are_made_printable() -> None:
    text = f"cannot move from 'http://u:p@h/a' to {SIGNED[0]} now"
    assert (
        printable_urls(text) == f"cannot move from 'http://h/a' to {printable_url(SIGNED[0])} now"
    )


def test_log_records_of_the_http_library_hold_no_secrets(caplog: pytest.LogCaptureFixture) -> None:
    hide_secrets_in_logs()
    caplog.set_level(logging.DEBUG, logger="httpx")
    with serving({"/a?token=5ec2e7": whole(b"x")}) as site, caplog.at_level(logging.DEBUG):
        httpx.get(f"{site.url}/a?token=5ec2e7".replace("//", "//user:5ec2e7@"))
    assert "HTTP Request: GET" in caplog.text
    assert "5ec2e7" not in caplog.text
