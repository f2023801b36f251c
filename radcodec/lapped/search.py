"""The encoder's choices for a tile: blocks, magnitudes and offsets (docs/format.md leaves them to it)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radcodec.lapped.transform import NOMINAL, WAVELET, analyse, geometry_of

F64 = npt.NDArray[np.float64]

MAX_LAST = 14
MAX_OFFSET = 31
OFFSET_UNIT = 64
KNEE = 0.7  # of steps, from which a coefficient costs bits
COARSE_RATE, FINE_RATE = 0.2, 0.12  # squared steps a bit
START_CODE = 4
WAVELET_SHARE = 1.2
WAVELET_ERROR = 1.1  # squared error of an image over that of its coefficients, which are not quite orthonormal
LOOK_SIDE = 512  # of the part of a tile that its block length is chosen by


def split_step(step: float) -> tuple[int, int, float]:
    """(last plane S, gain g, D): the step (256 + g) * 2^-S nearest to one that is wanted."""
    last = int(np.clip(np.floor(np.log2(512.0 / step)), 1, MAX_LAST))
    gain = int(np.clip(np.rint(step * 2.0**last) - 256, 0, 255))
    return last, gain, (256 + gain) * 2.0**-last


def rate_weight(step: float) -> float:
    """Squared steps that a bit is worth: more where steps are coarse."""
    share = float(np.clip((np.log2(step) + 0.5) / 2.2, 0.0, 1.0))
    return FINE_RATE + (COARSE_RATE - FINE_RATE) * share


def promised_bits(coefficients: F64, step: float) -> float:
    """The sum of log2(1 + (c / 0.7 D)^2)."""
    scaled = coefficients * (1.0 / (KNEE * step))
    scaled *= scaled
    scaled += 1.0
    return float(np.log2(scaled, out=scaled).sum())


def choose_blocks(companded: F64, step: float) -> list[tuple[int, F64]]:
    """Block code whose coefficients promise the fewest bits, and what ``analyse`` gives with it; then perhaps wavelets.

    START_CODE and longer blocks are tried, then shorter ones as long as each promises fewer bits than the one before.
    Of a large tile the middle decides. Wavelets are kept where they promise at most WAVELET_SHARE times the bits: what
    they gain is in the contexts.
    """
    middle = tuple(slice(max(0, n - LOOK_SIDE) // 2, max(0, n - LOOK_SIDE) // 2 + LOOK_SIDE) for n in companded.shape)
    part = np.ascontiguousarray(companded[middle])
    best, least, found, blocks, before = -1, np.inf, part, None, np.inf
    for code in (*range(START_CODE, len(NOMINAL)), *range(START_CODE - 1, -1, -1)):
        g = geometry_of((part.shape[0], part.shape[1]), code)
        if g == blocks:
            continue
        blocks, c = g, analyse(part, g, step)
        bits = promised_bits(c, step)
        if bits < least:
            best, least, found = code, bits, c
        # Promises may fall to both sides of START_CODE, so that a gain of longer blocks says nothing of shorter ones.
        if code < START_CODE and bits >= before:
            break
        if code <= START_CODE:
            before = bits
    shape = (companded.shape[0], companded.shape[1])
    if part.shape != companded.shape:
        found = analyse(companded, geometry_of(shape, best), step)
    wavelets = analyse(companded, geometry_of(shape, WAVELET), step)
    if promised_bits(wavelets, step) * part.size <= WAVELET_SHARE * least * companded.size:
        return [(best, found), (WAVELET, wavelets)]
    return [(best, found)]


def quantise(steps: F64, weight: float) -> npt.NDArray[np.int32]:
    """Magnitudes of coefficients in steps, with a zone around zero that is wider than a step."""
    return np.floor(np.abs(steps) + (0.45 - 0.3 * weight)).astype(np.int32)


def choose_offsets(steps: F64, magnitudes: npt.NDArray[np.int32]) -> tuple[int, int]:
    """Where the coefficients of magnitude 1, and those above, lie on average in their cells, in 64ths of a step."""
    size, found = np.abs(steps), []
    for chosen in (magnitudes == 1, magnitudes > 1):
        mean = float((size[chosen] - magnitudes[chosen]).mean()) if chosen.any() else 0.0
        found.append(int(np.clip(np.rint(OFFSET_UNIT * mean), -MAX_OFFSET - 1, MAX_OFFSET)))
    return found[0], found[1]
