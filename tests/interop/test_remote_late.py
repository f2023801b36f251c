"""Late files behind a URL: the index is at the end, which takes one more round trip."""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from interop.test_remote import compressed
from late_files import as_late
from web_servers import web_server

import radcodec


def test_a_late_file_takes_one_more_round_trip() -> None:
    """PRELUDE, then META to INDEX in one range, then the tiles: three requests and three round trips."""
    # Random bits are stored as they are, which the reference decoder reads fast.
    values = np.random.default_rng(8).integers(-(2**31), 2**31, (3, 320, 384), dtype=np.int32)
    plain = compressed([fits.PrimaryHDU(values)], tile=128)
    data = as_late(plain)
    round_trips = []
    for packed in (plain, data):
        with web_server({"a.rcz": packed}) as (url, traffic):
            with radcodec.open(f"{url}/a.rcz", threads=1) as file:
                assert file.shape == values.shape
                opened = traffic.gets
                assert np.array_equal(file[1, 150:160, 10:350], values[1, 150:160, 10:350])
            round_trips.append((opened, traffic.gets, traffic.heads, traffic.round_trips))
            assert traffic.body_bytes < 65536 + len(packed) / 4
    assert round_trips == [(1, 2, 0, 2), (2, 3, 0, 3)]
