"""Files in an object store that speaks S3: the same requests as over HTTP, and errors that say what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import radcodec

pytest.importorskip("fsspec")
s3fs = pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def options() -> Iterator[dict[str, Any]]:
    """Storage options of a store on loopback that has a bucket."""
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {"key": "test", "secret": "test", "endpoint_url": f"http://{host}:{port}"}
    s3fs.S3FileSystem(**options).mkdir("survey")
    yield options
    server.stop()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the requests that are sent to the store."""
    seen: list[str] = []
    original = s3fs.S3FileSystem._call_s3

    async def call(self: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        seen.append(method)
        return await original(self, method, *args, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", call)
    return seen


def test_a_cutout_takes_two_requests(options: dict[str, Any], calls: list[str]) -> None:
    """Two GETs, no HEAD and no listing, and the pixels are right."""
    values = np.random.default_rng(1).normal(size=(320, 384)).astype(np.float32)
    data = radcodec.encode(values, tile=64, threads=1)
    s3fs.S3FileSystem(**options).pipe_file("survey/a.rcz", data)
    calls.clear()
    with radcodec.open("s3://survey/a.rcz", storage_options=options, threads=1) as file:
        assert calls == ["get_object"]
        assert np.array_equal(file[150:160, 10:350], values[150:160, 10:350])
    assert calls == ["get_object"] * 2
    found = radcodec.verify("s3://survey/a.rcz", storage_options=options, threads=1)
    assert found.size_bytes == len(data)


def test_what_goes_wrong(options: dict[str, Any]) -> None:
    """A missing object, a truncated one and an empty one are clear errors."""
    system = s3fs.S3FileSystem(**options)
    with pytest.raises(FileNotFoundError, match="expected a file at this URL"):
        radcodec.open("s3://survey/none.rcz", storage_options=options)
    values = np.random.default_rng(2).normal(size=(200, 200)).astype(np.float32)
    system.pipe_file("survey/cut.rcz", radcodec.encode(values, tile=64, threads=1)[:-30000])
    cut = radcodec.open("s3://survey/cut.rcz", storage_options=options, threads=1)
    with cut as file, pytest.raises(radcodec.TruncatedError, match="expected more bytes of s3://survey/cut"):
        file[190:, 190:]
    with pytest.raises(radcodec.TruncatedError, match="cut off"):
        radcodec.verify("s3://survey/cut.rcz", storage_options=options)
    system.pipe_file("survey/empty.rcz", b"")
    with pytest.raises((radcodec.FormatError, OSError), match="expected"):
        radcodec.open("s3://survey/empty.rcz", storage_options=options)
