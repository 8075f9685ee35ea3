"""What the tests of oneDNN's layers have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clsctl.training.paddle_state import transposing_at_once
from clsctl.values import HOST


@pytest.fixture(scope="module")
def transposing() -> Iterator[None]:
    """As in a run, where slices of tensors are copies."""
    with transposing_at_once(HOST):
        yield
