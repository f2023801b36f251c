"""Method 6 of a detail stream: a few values that are there again and again beside others (docs/format.md, 8.4).

Such values are a plateau whose level jitters by a few units in the last place, or the zeros between components of a
model. Each of these values has a number, as in method 5, and one number stands for all others. Those
are coded as a tile in which the plateau is special, so that nothing is predicted from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.coding.leb import pack_leb, unpack_leb
from radcodec.detail.counted import Values, code_numbers, decode_numbers, ordinals
from radcodec.detail.maps import MapKind
from radcodec.detail.near_work import least_step, prepare_near
from radcodec.detail.plain import COUNTED, PLATEAU, DecodePart, Mask, Tile
from radcodec.detail.prepare import prepare
from radcodec.errors import CorruptError

LOOKED = 4096  # samples that say whether there is a plateau
LEAST_SEEN = 4  # of them that have a value of a plateau
LEAST_SHARE = 0.02  # of the samples that are on plateaus
LEAST_COUNT = 8  # samples of each value
RARE = 1 << 13  # samples of a tile for which each value is there once or more
MOST_VALUES = 1 << 10
FEW_LEFT = 8  # samples for which one is left, from which these are tried without their places
SEEN_SIDE = 128  # rows and columns by which an image is judged
NEAR_BITS = 4.0  # of a correction: a plateau beside noise needs more
MOST_MARKED = 1 << 24  # samples of an image up to which a plateau is left out of the fit
GATHERED = 1

# Detail stream of a tile, given what is special in it.
CodeRest = Callable[[Tile, Mask | None], bytes]


def plateau_values(tile: Tile, special: Mask | None) -> npt.NDArray[np.uint64] | None:
    """Find the ordinals of the values of a tile's plateaus, in ascending order; None where it has none."""
    known = tile.reshape(-1) if special is None else tile[~special]
    if known.size < LOOKED:
        some, least = known, LEAST_COUNT
    else:
        some, least = known[:: known.size // LOOKED], LEAST_SEEN
    if _frequent(ordinals(np.ascontiguousarray(some)), least) is None:
        return None
    return _frequent(ordinals(np.ascontiguousarray(known)), max(LEAST_COUNT, known.size // RARE))


def _frequent(numbers: npt.NDArray[np.uint64], least: int) -> npt.NDArray[np.uint64] | None:
    """Find the numbers that are there so often at least; None where these are too few, too many or all."""
    distinct, counts = np.unique(numbers, return_counts=True)
    often = counts >= least
    share = float(counts[often].sum()) / max(1, numbers.size)
    sound = LEAST_SHARE <= share < 1.0 and np.count_nonzero(often) <= MOST_VALUES
    return distinct[often] if sound else None


def with_plateaus(image: Tile, special: Mask | None) -> Mask | None:
    """Mark the plateaus of a float image [P, H, W] beside what is special, so that a fit leaves them out.

    Images that lie on lattices, or near them, have no plateaus.
    """
    if image.dtype.kind != "f" or image.size > MOST_MARKED:
        return special
    sample = (
        slice(image.shape[0] // 2, image.shape[0] // 2 + 1),
        *(slice(None, None, -(-n // SEEN_SIDE)) for n in image.shape[1:]),
    )
    seen, marks = (
        np.ascontiguousarray(image[sample]),
        None if special is None else np.ascontiguousarray(special[sample]),
    )
    values = plateau_values(seen, marks)
    if values is None:
        return special
    if _on_lattice(seen, marks):
        return special
    # Not by a table, which fails on large unsigned numbers in numpy 2.0.
    found: Mask = np.isin(ordinals(np.ascontiguousarray(image)), values, kind="sort")
    return found if special is None else found | special


def _on_lattice(tile: Tile, special: Mask | None) -> bool:
    """Say whether a tile lies on a lattice, or so near one that corrections are small."""
    work = prepare(tile, special, None)
    least = least_step(tile, work)
    if work is None or work.how.kind != MapKind.FLOAT:
        return True
    near = None if least is None else prepare_near(tile, special, least)
    if near is None or near.how.near is None:
        return False
    return bool(np.log2(1.0 + np.abs(near.how.near.corrections)).mean() < NEAR_BITS)


def encode_plateau(
    tile: Tile, special: Mask | None, code_rest: CodeRest, values: npt.NDArray[np.uint64] | None = None
) -> bytes | None:
    """Encode a tile by method 6; None for tiles without a plateau.

    Parameters
    ----------
    code_rest
        Codes what is not on the plateau.
    values
        Ordinals of the values of the plateau; they are looked for by default.
    """
    values = plateau_values(tile, special) if values is None else values
    if values is None:
        return None
    numbers = ordinals(np.ascontiguousarray(tile))
    on_plateau: Mask = np.isin(numbers, values, kind="sort")
    if special is not None:
        on_plateau &= ~special
    left = ~on_plateau if special is None else ~(on_plateau | special)
    if not left.any():
        return None
    # The usual value stands for all that are left, so it is none of the others.
    other = int(values[0]) - 1 if int(values[0]) else int(values[-1]) + 1
    known = Values(usual=other, others=[int(value) for value in values])
    first = code_numbers(np.where(on_plateau, numbers, np.uint64(other)), known, tile.dtype)
    rest = tile[left]
    second, flags = code_rest(np.where(left, tile, rest[0]), ~left), 0
    if rest.size * FEW_LEFT < tile.size:
        gathered = code_rest(rest[None, None], None)
        second, flags = (gathered, GATHERED) if len(gathered) < len(second) else (second, flags)
    return bytes((PLATEAU, flags)) + pack_leb(len(first)) + first + second


def decode_plateau(
    body: memoryview,
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    special: Mask | None,
    decode_part: DecodePart,
) -> Tile:
    """Decode the samples [p, h, w] of method 6.

    Raises
    ------
    CorruptError
        If a stream is unsound, or nothing is left for one that gathers what is left.
    """
    n_bytes, position = unpack_leb(body, 1, "detail stream")
    flags = body[0]
    if flags > GATHERED or not 1 <= n_bytes <= len(body) - position or body[position] != COUNTED:
        raise CorruptError("detail stream: expected known flags and a stream of method 5 for a plateau, found others")
    out, is_usual = decode_numbers(body[position + 1 : position + n_bytes], shape, dtype)
    second, left = body[position + n_bytes :], is_usual if special is None else is_usual & ~special
    if not flags & GATHERED:
        out[left] = decode_part(second, shape, special=~left)[left]
        return out
    count = int(np.count_nonzero(left))
    if not count:
        raise CorruptError("detail stream: expected samples beside a plateau, found none")
    out[left] = decode_part(second, (1, 1, count), special=None).reshape(-1)
    return out
