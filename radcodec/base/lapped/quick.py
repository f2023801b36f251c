"""Coefficients of a tile for a preview, in single precision and without a search; any codes make a sound stream.

``analyse`` is exact up to rounding and mirrors what lies beyond the image. Here the same transform is a product with
matrices of single precision, of all pixels or of averages of 2 by 2 of them. One quantiser with a zone around zero
takes the place of the search for the best path. What a step keeps can be counted before anything is coded.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.base.companding import KNEE, OUTPUT_LIMIT, OUTPUT_UNIT
from radcodec.base.lapped import search, single, transform
from radcodec.base.lapped.codes import LappedCodes, empty_codes
from radcodec.base.lapped.transform import AVERAGED, Geometry, geometry_of
from radcodec.errors import InputError

ZONE = 0.6  # of a step: smaller coefficients become 0
BIT_WEIGHT = 0.14  # squared steps that a bit is worth
NEIGHBOURS = 2  # frequencies to each side, over which the share of coefficients that are not 0 is taken
SHARES = (1e-4, 0.5)  # range of the share

F32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """Coefficients of a tile [h, w] in companded units, float32 [A, B, n, m]: all, or those of low frequencies."""

    shape: tuple[int, int]
    code: int
    low: F32 = field(repr=False)

    def kept(self, steps: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Count the coefficients that are not 0 at each of some steps."""
        sizes = np.abs(self.low)
        return np.array([np.count_nonzero(sizes >= np.float32(ZONE * step)) for step in steps], np.int64)

    def high_share(self, step: float) -> float:
        """Return the share of the coefficients kept at a step that averages do not see."""
        height, width = (n // AVERAGED for n in self.low.shape[2:])
        used = np.abs(self.low) >= np.float32(ZONE * step)
        total = int(np.count_nonzero(used))
        return 1.0 - np.count_nonzero(used[:, :, :height, :width]) / total if total else 0.0


def compand_quickly(values: F32) -> F32:
    """Compand normalised values, in place; NaN becomes 0."""
    values *= np.float32(1.0 / KNEE)
    np.arcsinh(values, out=values)
    values *= np.float32(KNEE)
    limit = np.float32(OUTPUT_LIMIT / OUTPUT_UNIT)
    np.clip(values, -limit, limit, out=values)
    if np.isnan(values).any():
        np.nan_to_num(values, copy=False)
    return values


def averages_of(values: npt.NDArray[np.floating]) -> npt.NDArray[Any]:
    """Average squares of AVERAGED by AVERAGED values; those at odd ends count twice."""
    odd = [(0, n % AVERAGED) for n in values.shape]
    if any(map(sum, odd)):
        values = np.pad(values, odd, mode="edge")
    with np.errstate(all="ignore"):
        rows = values[::AVERAGED] + values[1::AVERAGED]
        averages = rows[:, ::AVERAGED] + rows[:, 1::AVERAGED]
        averages *= averages.dtype.type(AVERAGED**-2)
    return np.asarray(averages)


def find_spectrum(values: F32, shape: tuple[int, int], step: float, code: int | None) -> Spectrum:
    """Transform normalised pixels of a tile [h, w], or averages of squares of them; they are overwritten.

    Without a block code, averages choose it at a step.

    Raises
    ------
    InputError
        The shapes do not go together, or the tile is empty.
    """
    expected = tuple(-(-n // AVERAGED) for n in shape)
    if values.shape not in (expected, shape) or values.size == 0:
        raise InputError(f"base layer: expected values of shape {shape} or {expected}, found {values.shape}")
    companded = compand_quickly(values)
    if code is None:
        averaged = companded.shape == expected
        code, chosen = choose_code(companded if averaged else averages_of(companded), shape, step)
        if averaged:
            return chosen
    return spectrum_of(companded, shape, code)


def spectrum_of(companded: F32, shape: tuple[int, int], code: int) -> Spectrum:
    """Transform companded samples of a tile [h, w], or their averages; ``code`` is that of blocks, not of wavelets."""
    g, scale = geometry_of(shape, code), 1.0
    if companded.shape != shape:
        g, scale = Geometry(g.rows, g.columns, g.height // AVERAGED, g.width // AVERAGED), float(AVERAGED)
    return Spectrum(shape=shape, code=code, low=single.forward(_extended(companded, g), g, scale))


def choose_code(averages: F32, shape: tuple[int, int], step: float) -> tuple[int, Spectrum]:
    """Choose the block code of a tile [h, w] by averages of its companded samples: the one that promises fewest bits.

    START_CODE and longer blocks are tried, then shorter ones as long as each promises less than the one before.
    Gives the code, and what the averages are with it.
    """
    found: dict[int, tuple[float, Spectrum]] = {}
    for code in (*range(search.START_CODE, len(transform.NOMINAL)), *range(search.START_CODE - 1, -1, -1)):
        spectrum = spectrum_of(averages, shape, code)
        found[code] = _promised_bits(spectrum.low, step), spectrum
        if code < search.START_CODE and found[code][0] >= found[code + 1][0]:
            break
    least = min(found, key=lambda code: found[code][0])
    return least, found[least][1]


def quantise(spectrum: Spectrum, step: float) -> LappedCodes:
    """Quantise coefficients at about a step, in units of the noise."""
    empty = replace(empty_codes(spectrum.shape, step), code=spectrum.code)
    g = geometry_of(spectrum.shape, spectrum.code)
    sizes = np.abs(spectrum.low)
    sizes *= np.float32(1.0 / empty.step)
    magnitudes = (sizes + np.float32(1.0 - ZONE)).astype(np.int32)
    magnitudes[(magnitudes == 1) & (sizes < _thresholds(sizes))] = 0
    offsets = _offsets(sizes, magnitudes)
    np.negative(magnitudes, out=magnitudes, where=spectrum.low < 0)
    whole = (g.rows, g.columns, g.height, g.width)
    if magnitudes.shape != whole:
        coefficients = np.zeros(whole, np.int32)
        coefficients[:, :, : magnitudes.shape[2], : magnitudes.shape[3]] = magnitudes
        magnitudes = coefficients
    return replace(empty, offsets=offsets, coefficients=magnitudes)


def _thresholds(sizes: F32) -> F32:
    """Return the size of coefficients, in steps, up to which 0 costs less than 1, for each frequency.

    A one costs more bits where few coefficients are not 0: log2((1 - p) / p), and one of its sign.
    """
    share = (sizes >= np.float32(ZONE)).mean(axis=(0, 1), dtype=np.float32)
    for axis in (0, 1):
        margin = [(NEIGHBOURS, NEIGHBOURS) if axis == other else (0, 0) for other in (0, 1)]
        wide, length = np.pad(share, margin, mode="edge"), share.shape[axis]
        parts = (wide.take(range(at, at + length), axis) for at in range(2 * NEIGHBOURS + 1))
        share = np.add.reduce(list(parts)) * np.float32(1.0 / (2 * NEIGHBOURS + 1))
    share = np.clip(share, np.float32(SHARES[0]), np.float32(SHARES[1]))
    bits = np.log2((1.0 - share) / share) + 1.0
    return np.asarray(0.5 + 0.5 * BIT_WEIGHT * bits, np.float32)


def _offsets(sizes: F32, magnitudes: npt.NDArray[np.int32]) -> tuple[int, int]:
    """Return the mean place of magnitude 1, and of larger ones, within their cells, as ``search.choose_offsets``."""
    places = np.flatnonzero(magnitudes)
    kept = magnitudes.reshape(-1)[places]
    within, one, found = sizes.reshape(-1)[places] - kept, kept == 1, []
    for chosen in (within[one], within[~one]):
        mean = float(chosen.mean()) if chosen.size else 0.0
        limits = (-search.MAX_OFFSET - 1, search.MAX_OFFSET)
        found.append(int(np.clip(np.rint(search.OFFSET_UNIT * mean), *limits)))
    return found[0], found[1]


def _promised_bits(coefficients: F32, step: float) -> float:
    """Return the sum of log2(1 + (c / 0.7 D)^2)."""
    scaled = coefficients * np.float32(1.0 / (search.COSTLY * step))
    scaled *= scaled
    return float(np.log1p(scaled, out=scaled).sum())


def _extended(samples: F32, g: Geometry) -> F32:
    """Cut or mirror samples to whole blocks, in an array of their own."""
    height, width = g.rows * g.height, g.columns * g.width
    samples = samples[:height, :width]
    if samples.shape != (height, width):
        extra = ((0, height - samples.shape[0]), (0, width - samples.shape[1]))
        samples = np.pad(samples, extra, mode="symmetric")
    return np.array(samples, order="C")
