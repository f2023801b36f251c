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

import numpy as np
import numpy.typing as npt

from radcodec.detail import kernels, unmodel

# As written by this file run as a program without compilation.
KNOWN = {
    "predict_above": "de1c11198cacd0ea",
    "error_above": "a019821bd8c0287b",
    "decode_float": "faa237a383665e88",
    "decode_int": "631bc081a5b0667e",
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


def kernel_digests() -> dict[str, str]:
    """Digest of what each loop gives for its input."""
    n_taps = 2 * RADIUS * (RADIUS + 1)
    found = {}
    window = reals((RADIUS + HEIGHT) * (WIDTH + 2 * RADIUS), 1).reshape(RADIUS + HEIGHT, -1)
    acc, rows = np.empty(WIDTH), []
    for y in range(HEIGHT):
        kernels.predict_above(window, y, RADIUS, reals(n_taps, 2), acc)
        rows.append(acc.copy())
    found["predict_above"] = digest(*rows)
    errors, rows = np.abs(reals(kernels.ROWS * (WIDTH + 8), 3)).reshape(kernels.ROWS, -1), []
    for y in range(kernels.ROWS):
        kernels.error_above(errors, y, acc)
        rows.append(acc.copy())
    found["error_above"] = digest(*rows)
    # Any words decode to some pixels; only that they do not end where they should is told, at the very end.
    cumulative, starts = narrow_tables()
    words = (numbers(HEIGHT * WIDTH, 4) >> np.uint64(32)).astype(np.uint32)
    raw = (numbers(16384, 5) >> np.uint64(56)).astype(np.uint8)
    raw[-kernels.RAW_SPARE :] = 0
    n_bits = 8 * (raw.size - kernels.RAW_SPARE)
    special = (numbers(HEIGHT * WIDTH, 6) >> np.uint64(60) == 0).reshape(1, HEIGHT, WIDTH)
    coefs = reals(n_taps, 7) * 0.25
    real, whole = np.full((1, HEIGHT, WIDTH), np.nan), np.full((1, HEIGHT, WIDTH), -1, np.int64)
    setting = np.array([RADIUS, -8, 20, -60, 52], np.int64)
    status = unmodel.decode_float(real, special, coefs, setting, 0.1, cumulative, starts, words, raw, n_bits)
    assert (status, np.isnan(real).any()) == (kernels.BAD_STREAM, False)
    found["decode_float"] = digest(real)
    gain, dither = 1.0 + reals(HEIGHT * WIDTH, 8).reshape(whole.shape) / 8, reals(HEIGHT * WIDTH, 9) / 2
    setting = np.array([RADIUS, 12, 30, 0, 0], np.int64)
    status = unmodel.decode_int(
        *(whole, special, gain, dither.reshape(whole.shape), coefs, setting, 0.1),
        *(cumulative, starts, words, raw, n_bits),
    )
    assert (status, (whole == -1).all()) == (kernels.BAD_STREAM, False)
    found["decode_int"] = digest(whole)
    return found


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
