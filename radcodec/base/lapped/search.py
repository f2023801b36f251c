"""Choose blocks, magnitudes and offsets for a tile; docs/format.md leaves them to the encoder."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.base.lapped.transform import NOMINAL, WAVELET, analyse, geometry_of

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


def split_step(step: float) -> tuple[int, int, float]:
    """Return (last plane S, gain g, D): the step (256 + g) * 2^-S nearest to the requested one."""
    last = int(np.clip(np.floor(np.log2(512.0 / step)), 1, MAX_LAST))
    gain = int(np.clip(np.rint(step * 2.0**last) - 256, 0, 255))
    return last, gain, (256 + gain) * 2.0**-last


def rate_weight(step: float) -> float:
    """Return the squared steps that one bit is worth: more for coarse steps."""
    share = float(np.clip((np.log2(step) + 0.5) / 2.2, 0.0, 1.0))
    return FINE_RATE + (COARSE_RATE - FINE_RATE) * share


def promised_bits(coefficients: F64, step: float) -> float:
    """Return the sum of log2(1 + (c / 0.7 D)^2)."""
    scaled = coefficients * (1.0 / (COSTLY * step))
    scaled *= scaled
    scaled += 1.0
    return float(np.log2(scaled, out=scaled).sum())


def cost(errors: F64, step: float, bits: float) -> float:
    """Return the cost of a transform: squared errors of samples plus weighted bits, in squared steps.

    Errors are those of samples, since wavelets are not orthonormal: theirs exceed the coefficients' by a tenth to a
    third. At a fine step D the theoretical change of error with bits is 2 ln 2 / 12 = 0.116 D^2. Measured values are
    0.12 to 0.16.
    """
    return float(np.vdot(errors, errors)) / step**2 + CHOICE_RATE * bits


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


def quantise(steps: F64, weight: float) -> npt.NDArray[np.int32]:
    """Quantise coefficients to magnitudes in steps, with a zone around zero wider than a step."""
    return np.floor(np.abs(steps) + (0.45 - 0.3 * weight)).astype(np.int32)


def choose_offsets(steps: F64, magnitudes: npt.NDArray[np.int32]) -> tuple[int, int]:
    """Return the mean place of magnitude 1, and of larger ones, within their cells, in 64ths of a step."""
    size, found = np.abs(steps), []
    for chosen in (magnitudes == 1, magnitudes > 1):
        mean = float((size[chosen] - magnitudes[chosen]).mean()) if chosen.any() else 0.0
        found.append(int(np.clip(np.rint(OFFSET_UNIT * mean), -MAX_OFFSET - 1, MAX_OFFSET)))
    return found[0], found[1]
