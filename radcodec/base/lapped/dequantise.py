"""Samples of a tile from what its coefficients stand for. Few of them are not 0: these alone are looked at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radcodec.base.companding import OUTPUT_UNIT
from radcodec.base.lapped import single, transform
from radcodec.base.lapped.codes import LappedCodes

COEFFICIENT_LIMIT = 1 << 25

Ints = npt.NDArray[np.int64]
Places = npt.NDArray[np.intp]


def exactly(codes: LappedCodes, places: Places, wide: Ints, left_out: int) -> Ints:
    """Return the samples of all blocks in units of 2^-10, as the format says.

    Parameters
    ----------
    places
        Of the coefficients that are not 0.
    wide
        What they stand for, in 64ths of a step of the last plane read.
    left_out
        Planes that were not read.
    """
    g = transform.geometry_of(codes.shape, codes.code)
    if not places.size:
        return np.zeros((g.rows * g.height, g.columns * g.width), np.int64)
    sizes = np.abs(wide) * (256 + codes.gain) << left_out
    if codes.last > 4:
        sizes += 1 << (codes.last - 5)
    sizes = sizes >> (codes.last - 4) if codes.last > 4 else sizes << (4 - codes.last)
    sizes = np.minimum(sizes, COEFFICIENT_LIMIT)
    coefficients = np.zeros(codes.coefficients.shape)
    coefficients.reshape(-1)[places] = np.where(codes.coefficients.reshape(-1)[places] < 0, -sizes, sizes)
    return transform.inverse(coefficients, g)


def about(codes: LappedCodes, places: Places, wide: Ints) -> single.Floats:
    """Return the samples [h, w] of a tile of blocks in companded units, in single precision."""
    values = np.zeros(codes.coefficients.size, np.float32)
    values[places] = wide * (codes.step / OUTPUT_UNIT)
    samples = single.synthesise(
        values.reshape(codes.coefficients.shape), transform.geometry_of(codes.shape, codes.code)
    )
    return samples[: codes.shape[0], : codes.shape[1]]
