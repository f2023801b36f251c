"""Known answers of the compiled loops: a machine or compiler that fuses products and sums, or reorders, fails here.

The inputs come from an integer generator, so that no library's random numbers are in them; the constants were made by
the loops as plain Python, where every product and every sum is rounded.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import weakref
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from radcodec.detail import borders, kernels, passes
from radcodec.runtime import native

# Made by the same loops as plain Python, before they were C.
KNOWN = {
    "derive_taps": "753ca9a483b1fa1c",
    "decode_float": "9d30d7b39c1f26c1",
    "decode_int": "5dfa3a4751d276a7",
    "decode_loop": "1f2db67706e63a1a",
    "model_float": "e3a646aa5ee37952",
    "model_int": "4ac5ceb340465f41",
    "model_loop": "b574b97a3d0ed5e1",
}
RADIUS, HEIGHT, WIDTH = 3, 24, 30


def numbers(count: int, seed: int) -> npt.NDArray[np.uint64]:
    """Numbers of 64 bits from a multiplicative generator (Knuth's MMIX constants)."""
    state, out = seed, np.empty(count, np.uint64)
    for i in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out[i] = state ^ (state >> 29)
    return out


def reals(count: int, seed: int) -> npt.NDArray[np.float64]:
    """Numbers in [-1, 1) with 53 significant bits, most of whose products are not exact."""
    return (numbers(count, seed) >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0


def digest(*arrays: npt.NDArray[np.generic]) -> str:
    """SHA-256 of the arrays' bytes, little-endian, cut to 16 digits."""
    parts = (array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays)
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def narrow_tables() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint8]]:
    """Tables in which 17 symbols around the middle are likely, and where a search in them starts.

    So errors stay about as large as they are expected to be, whatever the words are.
    """
    counts = np.ones(kernels.N_SYMBOLS, np.uint32)
    counts[56:73] = (2**24 - 111) // 17
    counts[64] += 2**24 - counts.sum()
    row = np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32)
    first = np.searchsorted(row, np.arange(64) << 18, side="right") - 1
    n = kernels.N_TABLES * kernels.N_PHASES
    return np.repeat(row[None], n, axis=0), np.repeat(first.astype(np.uint8)[None], n, axis=0)


SPECIAL = (numbers(HEIGHT * WIDTH, 6) >> np.uint64(60) == 0).reshape(1, HEIGHT, WIDTH)


def some_taps() -> borders.Taps:
    """Coefficient sets of a predictor whose process is stable, with borders narrower than their reach."""
    taps = borders.derive_taps(reals(2 * RADIUS * (RADIUS + 1), 7) * 0.0625, RADIUS, 2, RADIUS)
    assert taps is not None
    return taps


def decoder_digests() -> dict[str, str]:
    """Digest of what the decoder's passes make of any words, which do not end where they should."""
    found = {}
    cumulative, starts = narrow_tables()
    words = (numbers(HEIGHT * WIDTH, 4) >> np.uint64(32)).astype(np.uint32)
    raw = (numbers(16384, 5) >> np.uint64(56)).astype(np.uint8)
    raw[-kernels.RAW_SPARE :] = 0
    n_bits = 8 * (raw.size - kernels.RAW_SPARE)
    streams = passes.TileStreams(cumulative=cumulative, starts=starts, words=words, raw=raw, n_bits=n_bits)
    shape, taps = (1, HEIGHT, WIDTH), some_taps()
    real = np.full(shape, np.nan)
    setting = passes.Setting(level=-8, clamp=20, z=-60, mantissa=52, fill=0.1)
    status = passes.decode_float(passes.TilePass(shape, SPECIAL, taps, setting), streams, real)
    assert (status, np.isnan(real).any()) == (kernels.BAD_STREAM, False)
    found["decode_float"] = digest(real)
    gain, dither = 1.0 + reals(real.size, 8).reshape(shape) / 8, reals(real.size, 9).reshape(shape) / 2
    for name, moved, loop in (("decode_int", dither, False), ("decode_loop", np.empty((0, 0, 0)), True)):
        whole = np.full(shape, -1, np.int64)
        setting = passes.Setting(level=-6 if loop else 12, clamp=30, z=0, mantissa=0, fill=0.1)
        tile = passes.TilePass(shape, SPECIAL, taps, setting)
        status = passes.decode_int(tile, streams, gain, moved, loop, whole)
        assert (status, (whole == -1).all()) == (kernels.BAD_STREAM, False)
        found[name] = digest(whole)
    return found


def encoder_digests() -> dict[str, str]:
    """Digest of the symbols, tables and raw bits that the encoder's passes give."""
    found = {}
    shape = (1, HEIGHT, WIDTH)
    taps, size = some_taps(), HEIGHT * WIDTH
    gain, dither = 1.0 + reals(size, 8).reshape(shape) / 8, reals(size, 9).reshape(shape) / 2
    real = reals(size, 12).reshape(shape)
    whole = np.floor(real * 300.0).astype(np.int64)
    nothing = np.empty((0, 0, 0))
    for name in ("model_float", "model_int", "model_loop"):
        raw = np.zeros(8 * size + kernels.RAW_SPARE, np.uint8)
        out = passes.SymbolBuffers(tables=np.zeros(size, np.uint16), symbols=np.zeros(size, np.uint8), raw=raw)
        values: Any = real if name == "model_float" else np.zeros(shape, np.int64) if name == "model_loop" else whole
        if name == "model_float":
            setting = passes.Setting(level=-3, clamp=1, z=-52, mantissa=52, fill=0.1)
            tile = passes.TilePass(shape, SPECIAL, taps, setting)
            status, n, bits = passes.encode_float(tile, values, out)
        else:
            loop = name == "model_loop"
            setting = passes.Setting(level=-4 if loop else 28, clamp=10, z=0, mantissa=0, fill=0.1)
            tile = passes.TilePass(shape, SPECIAL, taps, setting)
            targets, moved = (real * 40.0, nothing) if loop else (nothing, dither)
            status, n, bits = passes.encode_int(tile, values, targets, gain, moved, out)
        assert (status, n) == (kernels.OK, size - SPECIAL.sum())
        found[name] = digest(values, out.tables, out.symbols, out.raw, np.array([n, bits]))
    return found


@pytest.fixture(params=native.VARIANTS)
def variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each variant of the core that this processor can run, in the place of the best one."""
    try:
        forced = native.load(request.param)
    except ImportError as err:
        pytest.skip(f"not on this processor: {err}")
    monkeypatch.setattr(native, "load", lambda: forced)
    native.core.cache_clear()
    yield request.param
    native.core.cache_clear()


def test_known_answers(variant: str) -> None:
    """Every variant gives, bit by bit, what plain Python gave, in which nothing can be fused or reordered."""
    assert native.core().variant == variant
    taps = some_taps()
    found = {"derive_taps": digest(taps.above, taps.own, taps.left, taps.right)}
    assert found | decoder_digests() | encoder_digests() == KNOWN


def test_fused_products_are_noticed() -> None:
    """The self-check tells a sum of a rounded product from a fused one, and this build rounds."""
    core = native.core()
    a, c = 1.0 + 2.0**-30, -1.0 - 2.0**-29
    assert float(Fraction(a) * Fraction(a) + Fraction(c)) == 2.0**-60  # what a fused operation gives
    assert a * a + c == 0.0
    assert core.self_check(a, a, c) == native.OK


@pytest.mark.parametrize("writeable", [True, False])
def test_pointers_keep_their_arrays(writeable: bool) -> None:
    """An array that only its pointer knows stays alive: another thread must not get its memory while C works on it."""
    array = np.arange(5.0)
    array.flags.writeable = writeable
    watched = weakref.ref(array)
    address = native.pointer(array, np.float64)
    del array
    gc.collect()
    assert watched() is not None
    assert ctypes.cast(address, ctypes.POINTER(ctypes.c_double))[:5] == [0.0, 1.0, 2.0, 3.0, 4.0]
