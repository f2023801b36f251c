"""The measuring instruments: mappings shared by the rivals, the rivals that are installed, the tables."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.data.datasets import Image, lattice_integers, sigma
from benchmarks.measure import measure
from benchmarks.rivals.base import IntegerRival, Track, Unsupported, pack, pack_specials, unpack, unpack_specials
from benchmarks.rivals.registry import all_rivals
from benchmarks.run.tracks import Demand

RIVALS = {name: rival for name, rival in all_rivals().items() if name != "radcodec"}


def image(shape: tuple[int, ...] = (40, 50)) -> np.ndarray:
    """Smoothed noise of about unit rms with one bright pixel."""
    noise = np.random.default_rng(5).normal(size=shape)
    smooth = noise + np.roll(noise, 1, -1) + np.roll(noise, 1, -2)
    smooth[..., 3, 4] = 900.0
    return smooth.astype(np.float32)


def test_pack_keeps_empty_parts() -> None:
    """Parts come back as they were, empty ones included; each costs four bytes."""
    assert pack(b"ab", b"") == b"\x02\0\0\0ab\0\0\0\0"
    assert unpack(pack(b"ab", b"", b"c")) == [b"ab", b"", b"c"]


def test_specials_come_back_bit_for_bit() -> None:
    """NaN payloads and infinities survive being replaced by the median."""
    samples = image()
    samples[0, 0], samples[1, 2] = np.inf, -np.inf
    samples.view(np.uint32)[5, 6] = 0x7FC01234
    filled, stored = pack_specials(samples)
    assert np.isfinite(filled).all()
    assert unpack_specials(filled, stored).tobytes() == samples.tobytes()


def test_sigma_by_hand() -> None:
    """Of 1, 2, 4, 8, 100 and NaN the median is 4, the deviations 3, 2, 0, 4, 96, their median 3."""
    assert sigma(np.array([1, 2, 4, 8, 100, np.nan])) == pytest.approx(1.4826 * 3)


def test_lattice_is_found_and_noise_is_not() -> None:
    """Floats made from integers give those integers; noise gives none."""
    levels = np.random.default_rng(6).integers(0, 200, (50, 60))
    levels[0, :2] = 0, 1
    found = lattice_integers((levels * 3.7e-5 - 2e-3).astype(np.float32))
    assert found is not None
    assert np.array_equal(found, levels - levels.min())
    levels[0, 2:4] = 40_000, 50_001  # a bright source far above the others
    found = lattice_integers((levels * 3.7e-5 - 2e-3).astype(np.float32))
    assert found is not None
    assert np.array_equal(found, levels)
    assert lattice_integers(image()) is None


def test_track_of_lattices_takes_floats_on_a_lattice_alone() -> None:
    """The floats as they are; neither noise nor integers."""
    levels = np.random.default_rng(6).integers(0, 200, (50, 60))
    floats = (levels * 3.7e-5 - 2e-3).astype(np.float32)
    for samples, expected in ((floats, floats), (image(), None), (levels, None)):
        one = Image(file="f", hdu=0, samples=samples, sha256="", header_zstd_bytes=0)
        job = Demand(Track.LATTICES).job_of(one)
        assert (None if job is None else job[0]) is expected
        assert job is None or job[1] is None


class Raw(IntegerRival):
    """Stores 16-bit images as they are, so that only the mapping is at work."""

    name = "raw"

    def encode_plane(self, plane: np.ndarray) -> bytes:
        return len(plane).to_bytes(4, "little") + plane.tobytes()

    def decode_plane(self, data: bytes) -> np.ndarray:
        return np.frombuffer(data, np.uint16, offset=4).reshape(int.from_bytes(data[:4], "little"), -1)


@pytest.mark.parametrize("max_error", [0.3, 0.001], ids=["one half", "two halves"])
def test_integer_mapping_meets_the_bound(max_error: float) -> None:
    """Quantised floats are within the bound whether their integers fit in 16 bits or not."""
    got = measure(Raw(), image(), max_error=max_error)
    assert got.holds
    assert 0.9 * max_error < got.max_error <= max_error


def test_integer_mapping_of_integers() -> None:
    """Integers come back exactly without a bound, and within it with one."""
    samples = (image() * 30).astype(np.int16)
    assert measure(Raw(), samples, max_error=None).holds
    bounded = measure(Raw(), samples, max_error=2.6)
    assert bounded.holds
    assert bounded.max_error == 2


@pytest.mark.parametrize("name", sorted(RIVALS))
@pytest.mark.parametrize("max_error", [None, 0.2], ids=["lossless", "bounded"])
@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint8])
def test_rival_does_what_is_asked(name: str, max_error: float | None, dtype: type) -> None:
    """Every installed rival either meets the demand or says that it has no such mode."""
    rival = RIVALS[name]
    try:
        rival.version()
    except ImportError as err:
        pytest.skip(f"not installed: {err}")
    samples = image() if dtype is np.float32 else (image() * 30).astype(np.int16).astype(dtype)
    try:
        got = measure(rival, samples, max_error=max_error)
    except Unsupported:
        return
    assert got.holds
