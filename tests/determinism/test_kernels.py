"""Known answers of the compiled loops: a machine or compiler that fuses products and sums, or reorders, fails here.

The inputs come from an integer generator, so that no library's random numbers are in them; the constants were made by
the loops as plain Python, where every product and every sum is rounded.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.detail import borders, kernels, model, unmodel

# As written by this file run as a program without compilation.
KNOWN = {
    "predict_above": "de1c11198cacd0ea",
    "error_above": "a019821bd8c0287b",
    "derive_taps": "753ca9a483b1fa1c",
    "predict_rows": "c2a4f92691c49f05",
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


def row_digests() -> dict[str, str]:
    """Digest of what the loops over rows give, and of the coefficients of borders."""
    found = {}
    window = reals((RADIUS + HEIGHT) * (WIDTH + 2 * RADIUS), 1).reshape(RADIUS + HEIGHT, -1)
    acc, rows = np.empty(WIDTH), []
    for y in range(HEIGHT):
        kernels.predict_above(window, y, RADIUS, reals(2 * RADIUS * (RADIUS + 1), 2), acc)
        rows.append(acc.copy())
    found["predict_above"] = digest(*rows)
    errors, rows = np.abs(reals(kernels.ROWS * (WIDTH + 8), 3)).reshape(kernels.ROWS, -1), []
    for y in range(kernels.ROWS):
        kernels.error_above(errors, y, acc)
        rows.append(acc.copy())
    found["error_above"] = digest(*rows)
    taps = some_taps()
    found["derive_taps"] = digest(taps.above, taps.own, taps.left, taps.right)
    sets, both = np.empty(WIDTH, np.int64), []
    for y in range(HEIGHT):
        kernels.predict_rows(window, y, taps, acc, sets)
        both += [acc.copy(), sets.copy()]
    found["predict_rows"] = digest(*both)
    return found


def decoder_digests() -> dict[str, str]:
    """Digest of what the decoder's loops make of any words; that they do not end where they should is told last."""
    found = {}
    cumulative, starts = narrow_tables()
    words = (numbers(HEIGHT * WIDTH, 4) >> np.uint64(32)).astype(np.uint32)
    raw = (numbers(16384, 5) >> np.uint64(56)).astype(np.uint8)
    raw[-kernels.RAW_SPARE :] = 0
    streams = (cumulative, starts, words, raw, 8 * (raw.size - kernels.RAW_SPARE))
    taps = some_taps()
    real = np.full((1, HEIGHT, WIDTH), np.nan)
    status = unmodel.decode_float(real, SPECIAL, taps, np.array([-8, 20, -60, 52], np.int64), 0.1, *streams)
    assert (status, np.isnan(real).any()) == (kernels.BAD_STREAM, False)
    found["decode_float"] = digest(real)
    gain, dither = 1.0 + reals(real.size, 8).reshape(real.shape) / 8, reals(real.size, 9).reshape(real.shape) / 2
    for name, moved, loop in (("decode_int", dither, False), ("decode_loop", np.empty((0, 0, 0)), True)):
        whole = np.full(real.shape, -1, np.int64)
        setting = np.array([-6 if loop else 12, 30, 0, 0], np.int64)
        status = unmodel.decode_int(whole, SPECIAL, gain, moved, taps, setting, 0.1, loop, *streams)
        assert (status, (whole == -1).all()) == (kernels.BAD_STREAM, False)
        found[name] = digest(whole)
    return found


def encoder_digests() -> dict[str, str]:
    """Digest of the symbols, tables and raw bits that the encoder's loops give."""
    found = {}
    shape = (1, HEIGHT, WIDTH)
    taps, size = some_taps(), HEIGHT * WIDTH
    gain, dither = 1.0 + reals(size, 8).reshape(shape) / 8, reals(size, 9).reshape(shape) / 2
    real = reals(size, 12).reshape(shape)
    whole = np.floor(real * 300.0).astype(np.int64)
    nothing = np.empty((0, 0, 0))
    for name in ("model_float", "model_int", "model_loop"):
        tables, symbols = np.zeros(size, np.uint16), np.zeros(size, np.uint8)
        out = (tables, symbols, np.zeros(8 * size + kernels.RAW_SPARE, np.uint8))
        values: Any = real if name == "model_float" else np.zeros(shape, np.int64) if name == "model_loop" else whole
        if name == "model_float":
            status, n, bits = model.model_float(values, SPECIAL, taps, np.array([-3, 1, -52, 52], np.int64), 0.1, *out)
        else:
            loop = name == "model_loop"
            rest: Any = (real * 40.0, SPECIAL, gain, nothing) if loop else (nothing, SPECIAL, gain, dither)
            setting = np.array([-4 if loop else 28, 10, 0, 0], np.int64)
            status, n, bits = model.model_int(values, *rest, taps, setting, 0.1, *out)
        assert (status, n) == (kernels.OK, size - SPECIAL.sum())
        found[name] = digest(values, *out, np.array([n, bits]))
    return found


def kernel_digests() -> dict[str, str]:
    """Digest of what each loop gives for its input."""
    return row_digests() | decoder_digests() | encoder_digests()


def test_known_answers() -> None:
    """The compiled loops give, bit by bit, what is written down here."""
    assert kernel_digests() == KNOWN


def test_known_answers_without_compiler() -> None:
    """The same loops as plain Python, in which nothing can be fused, give the same."""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-W", "ignore", __file__]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=250)
    assert result.stdout.strip() == repr(KNOWN)


def rounded(value: Fraction) -> float:
    """The float64 nearest to an exact number."""
    return value.numerator / value.denominator


def test_products_are_not_fused() -> None:
    """A product and a sum round twice; the inputs are ones where a fused operation gives something else."""
    window = reals((1 + 1) * (WIDTH + 2), 10).reshape(2, WIDTH + 2)
    coefs = reals(4, 11)
    acc, fused = np.empty(WIDTH), 0
    kernels.predict_above(window, 0, 1, coefs, acc)
    for x in range(WIDTH):
        twice = once = 0.0
        for tap in range(3):
            product = float(coefs[tap]) * float(window[0, x + tap])
            twice += product
            once = rounded(Fraction(once) + Fraction(float(coefs[tap])) * Fraction(float(window[0, x + tap])))
        assert acc[x] == twice
        fused += once != twice
    assert fused > WIDTH // 4


if __name__ == "__main__":
    print(repr(kernel_digests()))
