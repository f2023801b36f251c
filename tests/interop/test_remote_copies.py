"""What needs a file behind a URL as a whole: decode takes storage options, a base-only copy fetches what it needs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from web_servers import web_server

import radcodec
from radcodec.simulate import simulate_image

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")
remote = pytest.importorskip("radcodec.integrations.remote")


def test_decode_takes_storage_options(tmp_path: Path) -> None:
    """A URL that only the options complete, that of a folder of fsspec's own, is decoded with them."""
    values = np.arange(600, dtype=np.int32).reshape(20, 30)
    (tmp_path / "a.rcz").write_bytes(radcodec.encode(values))
    options = {"path": str(tmp_path), "target_protocol": "file"}
    assert np.array_equal(radcodec.decode("dir://a.rcz", storage_options=options), values)
    with pytest.raises((OSError, radcodec.InputError), match="expected"):
        radcodec.decode("dir://a.rcz", storage_options={"path": str(tmp_path / "other"), "target_protocol": "file"})


def test_a_base_only_copy_of_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the copy of the file at hand, fetched in two requests, a part of the file."""
    image = simulate_image((240, 300), seed=11)
    image[:60, :60] = np.nan
    file, packed = io.BytesIO(), io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(image)]).writeto(file)
    radcodec.compress(io.BytesIO(file.getvalue()), packed, preview=5, tile=64, threads=1)
    data = packed.getvalue()
    with radcodec.open(data) as opened:
        monkeypatch.setattr(remote, "_HEAD_BYTES", opened.reader.prelude.section_start("BASE"))
    near, far = io.BytesIO(), io.BytesIO()
    radcodec.preview(data, near, base_only=True)
    with web_server({"a.rcz": data}) as (url, traffic):
        found = radcodec.preview(f"{url}/a.rcz", far, base_only=True)
        assert (traffic.gets, traffic.heads, traffic.round_trips) == (2, 0, 2)
        assert traffic.body_bytes < len(data) / 2
    assert far.getvalue() == near.getvalue()
    assert np.array_equal(found, radcodec.preview(data), equal_nan=True)


def test_damage_of_a_mask_is_seen_when_a_copy_is_made() -> None:
    """The checksum of a tile that has a mask is compared, so that no damaged mask gets a right checksum."""
    image = simulate_image((128, 128), seed=2)
    image[:9, :9] = np.nan
    file, packed = io.BytesIO(), io.BytesIO()
    fits.PrimaryHDU(image).writeto(file)
    radcodec.compress(io.BytesIO(file.getvalue()), packed, preview=5, tile=64, threads=1)
    damaged = bytearray(packed.getvalue())
    with radcodec.open(bytes(damaged)) as opened:
        start, _ = opened.reader.mask_range(0, 0)
    damaged[start + 3] ^= 1
    with pytest.raises(radcodec.CorruptError, match="the checksum of tile 0"):
        radcodec.preview(bytes(damaged), io.BytesIO(), base_only=True)
