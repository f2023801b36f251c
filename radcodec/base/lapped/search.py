"""Choose blocks, magnitudes and offsets for a tile; docs/format.md leaves them to the encoder."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.base.lapped.single import Floats, analyse
from radcodec.base.lapped.transform import NOMINAL, WAVELET, geometry_of

MAX_LAST = 14
MAX_OFFSET = 31
OFFSET_UNIT = 64
COSTLY = 0.7  # share of a step above which a coefficient costs bits
COARSE_RATE, FINE_RATE = 0.2, 0.12  # squared steps a bit
START_CODE = 4
CHOICE_RATE = 0.12  # squared steps a bit, for comparing transforms of a tile: the fall of error with bits
CLOSE = 1.04  # factor of the promised bits above which another length is skipped
WAVELET_SHARE = 0.95  # factor of the bits promised by blocks up to which wavelets are tried: their errors are larger
LOOK_SIDE = 512  # side of the part of a tile that decides the block length
EVEN_CODE = 2  # block code that shows whether a tile is the same everywhere
UNEVEN = 1.05  # factor of promised bits
QUICK_SIDE = 256  # side of the middle of a tile of at least twice the side that decides everything at a given step
LONGEST_LOOK = NOMINAL.index(QUICK_SIDE)  # block code of the middle; a whole tile may have longer blocks


def split_step(step: float) -> tuple[int, int, float]:
    """Return (last plane S, gain g, D): the step (256 + g) * 2^-S nearest to the requested one."""
    last = int(np.clip(np.floor(np.log2(512.0 / step)), 1, MAX_LAST))
    gain = int(np.clip(np.rint(step * 2.0**last) - 256, 0, 255))
    return last, gain, (256 + gain) * 2.0**-last


def rate_weight(step: float) -> float:
    """Return the squared steps that one bit is worth: more for coarse steps."""
    share = float(np.clip((np.log2(step) + 0.5) / 2.2, 0.0, 1.0))
    return FINE_RATE + (COARSE_RATE - FINE_RATE) * share


def promised_bits(coefficients: Floats, step: float) -> float:
    """Return the sum of log2(1 + (c / 0.7 D)^2)."""
    return float(_bits(coefficients, step).sum(dtype=np.float64))


def _bits(coefficients: Floats, step: float) -> Floats:
    """Return log2(1 + (c / 0.7 D)^2)."""
    scaled = coefficients * coefficients.dtype.type(1.0 / (COSTLY * step))
    scaled *= scaled
    scaled += 1.0
    return np.log2(scaled, out=scaled)


def cost(errors: Floats, step: float, bits: float) -> float:
    """Return the cost of a transform: squared errors of samples plus weighted bits, in squared steps.

    Errors are those of samples, since wavelets are not orthonormal: theirs exceed the coefficients' by a tenth to a
    third. At a fine step D the theoretical change of error with bits is 2 ln 2 / 12 = 0.116 D^2. Measured values are
    0.12 to 0.16.
    """
    flat = errors.reshape(-1)
    return float(np.dot(flat, flat)) / step**2 + CHOICE_RATE * bits


def middle_of(companded: F64, step: float) -> F64 | None:
    """Return the middle that decides for a tile; None for tiles that are too small, or not the same everywhere.

    Blocks of the middle and of each quarter promise the same bits but for UNEVEN, by their medians: sources are few.
    """
    if min(companded.shape) < 2 * QUICK_SIDE:
        return None
    g = geometry_of((companded.shape[0], companded.shape[1]), EVEN_CODE)
    bits = _bits(analyse(companded, g, step), step).sum(axis=(2, 3))
    (top, bottom), (left, right) = ((slice(n // 2), slice(n // 2, n)) for n in bits.shape)
    inner = tuple(slice(n // 4, n - n // 4) for n in bits.shape)
    parts = [bits[inner], bits[top, left], bits[top, right], bits[bottom, left], bits[bottom, right]]
    medians = [float(np.median(part)) for part in parts]
    if max(medians) > UNEVEN * min(medians):
        return None
    y, x = ((n - QUICK_SIDE) // 2 for n in companded.shape)
    return np.ascontiguousarray(companded[y : y + QUICK_SIDE, x : x + QUICK_SIDE])


def choose_blocks(companded: F64, step: float) -> list[int]:
    """Return the block codes to try, at least one.

    The block length that promises the fewest bits comes first. The second follows if it promises little more, and
    wavelets if they promise less. ``cost`` decides between them. START_CODE and longer blocks are tried, then shorter
    ones as long as each promises little more than the one before. In a large tile the middle decides.
    """
    middle = tuple(slice(max(0, n - LOOK_SIDE) // 2, max(0, n - LOOK_SIDE) // 2 + LOOK_SIDE) for n in companded.shape)
    part = np.ascontiguousarray(companded[middle])
    shape = (part.shape[0], part.shape[1])
    found: list[tuple[float, int]] = []
    blocks, before = None, np.inf
    for code in (*range(START_CODE, len(NOMINAL)), *range(START_CODE - 1, -1, -1)):
        g = geometry_of(shape, code)
        if g == blocks:
            continue
        blocks, bits = g, promised_bits(analyse(part, g, step), step)
        found = sorted([*found, (bits, code)])[:2]
        # Promises may fall on both sides of START_CODE: a gain of longer blocks does not rule out shorter ones.
        if code < START_CODE and bits >= CLOSE * before:
            break
        if code <= START_CODE:
            before = bits
    least = found[0][0]
    out = [code for bits, code in found if bits <= CLOSE * least]
    if promised_bits(analyse(part, geometry_of(shape, WAVELET), step), step) <= WAVELET_SHARE * least:
        out.append(WAVELET)
    return out


def quantise(steps: Floats, weight: float) -> npt.NDArray[np.int32]:
    """Quantise coefficients to magnitudes in steps, with a zone around zero wider than a step."""
    return np.floor(np.abs(steps) + (0.45 - 0.3 * weight)).astype(np.int32)


def choose_offsets(steps: Floats, magnitudes: npt.NDArray[np.int32]) -> tuple[int, int]:
    """Return the mean place of magnitude 1, and of larger ones, within their cells, in 64ths of a step."""
    places = np.flatnonzero(magnitudes)
    kept = magnitudes.reshape(-1)[places]
    return mean_offsets(np.abs(steps.reshape(-1)[places]) - kept, kept)


def mean_offsets(within: Floats, magnitudes: npt.NDArray[np.int32]) -> tuple[int, int]:
    """Return the means, in 64ths, of places within cells: those of magnitude 1, and of larger ones."""
    found = []
    for chosen in (magnitudes == 1, magnitudes > 1):
        mean = float(within[chosen].mean(dtype=np.float64)) if chosen.any() else 0.0
        found.append(int(np.clip(np.rint(OFFSET_UNIT * mean), -MAX_OFFSET - 1, MAX_OFFSET)))
    return found[0], found[1]
