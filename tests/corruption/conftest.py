"""What all tests of damaged files share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from corruption.samples import ordinary_files


@pytest.fixture(autouse=True)
def _ordinary_files(request: pytest.FixtureRequest) -> Iterator[None]:
    """Write small arrays as ordinary files, which these tests take apart; compact ones have their own tests."""
    if getattr(request.module, "COMPACT", False):
        yield
        return
    with ordinary_files():
        yield
