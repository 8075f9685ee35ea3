"""Refuse requests: what a client is told in place of results."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False)
class Refusal(Exception):
    """An HTTP status with a code, a sentence and, where there is one, what to do next.

    Attributes:
        status: The HTTP status.
        code: A stable identifier, as errors of clsctl have.
        retry_after: Seconds after which it makes sense to try again.
    """

    status: int
    code: str
    message: str
    hint: str = ""
    retry_after: int | None = None

    def as_dict(self) -> dict[str, str]:
        """Return the code, the message and, where there is one, the hint."""
        fields = {"code": self.code, "message": self.message}
        return fields | ({"hint": self.hint} if self.hint else {})

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with the status."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if self.status in (408, 413):
            # The rest of the body is not read, so that nothing after it can be.
            headers["Connection"] = "close"
        return headers


def bad_request(message: str, hint: str = "", code: str = "E_REQUEST") -> Refusal:
    """Refuse a request that cannot be understood."""
    return Refusal(422, code, message, hint)


def overloaded(seconds: float) -> Refusal:
    """Refuse a request that would wait for too long."""
    return Refusal(
        503,
        "E_OVERLOADED",
        "more images are waiting than can be classified in time",
        "send the request again after the seconds in Retry-After",
        retry_after=max(1, round(seconds)),
    )


def too_late(timeout: float) -> Refusal:
    """Refuse a request that was not answered in time."""
    return Refusal(
        504, "E_REQUEST_TIMEOUT", f"the images were not classified within {timeout:g} seconds"
    )
