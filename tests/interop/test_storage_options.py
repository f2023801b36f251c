"""Storage options that a file system does not take are named as such, and are not taken for a fault of the network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from web_servers import web_server

import radcodec

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"blocksize": 5}, "expected storage options .*blocksize"),
        ({"timeout": "abc"}, "expected storage options"),
        ({"client_kwargs": {"nope": 1}}, "expected storage options .*nope"),
        ({"headers": 5}, "expected headers .* found 5"),
    ],
)
def test_options_that_are_none(options: dict[str, Any], match: str) -> None:
    """A misspelled option is an InputError that says which."""
    data = radcodec.encode(np.arange(6, dtype=np.int32))
    with web_server({"a.rcz": data}) as (url, _), pytest.raises(radcodec.InputError, match=match):
        radcodec.open(f"{url}/a.rcz", storage_options=options)


def test_headers_are_sent() -> None:
    """Options that are right reach the server."""
    data = radcodec.encode(np.arange(6, dtype=np.int32))
    with (
        web_server({"a.rcz": data}) as (url, traffic),
        radcodec.open(f"{url}/a.rcz", storage_options={"headers": {"X-Token": "y"}}) as file,
    ):
        assert file[4] == 4
        assert traffic.gets == 1
