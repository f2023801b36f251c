"""The untrained lapped model that these tests use."""

from __future__ import annotations

import pytest
from made_up_model import made_up

from radcodec.base.lapped.model import LappedModel


@pytest.fixture(scope="session")
def model() -> LappedModel:
    """The model."""
    spec, arrays = made_up()
    return LappedModel(spec, arrays, "0" * 64)
