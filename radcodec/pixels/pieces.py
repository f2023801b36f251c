"""Pass over an image piece by piece, so that no expression makes arrays of its size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.limits import MAX_PIECE_SAMPLES
from radcodec.pixels.masks import Mask, as_bits
from radcodec.runtime.scratch import Scratch

Pixels = npt.NDArray[Any]
# Says which samples of a piece of an image are marked; None for none of them.
Rule = Callable[[slice], Mask | None]


def pieces(n_samples: int) -> Iterator[slice]:
    """Divide so many samples, in the order of memory, into pieces of whole bytes of a bitmap."""
    for start in range(0, n_samples, MAX_PIECE_SAMPLES):
        yield slice(start, min(start + MAX_PIECE_SAMPLES, n_samples))


def add_marks(marks: Mask | None, image: Pixels, rule: Rule, scratch: Scratch) -> Mask | None:
    """Mark more samples of an image [P, H, W], in place where some are marked; None where there are none.

    Parameters
    ----------
    rule
        Is asked piece by piece; places are those of the image as one axis.
    """
    for piece in pieces(image.size):
        found = rule(piece)
        if found is not None and found.any():
            if marks is None:
                marks = scratch.zeros(image.shape, np.bool_)
            marks.reshape(-1)[piece] |= found
    return marks


def copied(marks: Mask, scratch: Scratch) -> Mask:
    """Copy marks."""
    copy: Mask = scratch.empty(marks.shape, np.bool_)
    copy[...] = marks
    return copy


def joined(first: Mask | None, second: Mask | None, scratch: Scratch) -> Mask | None:
    """Join marks; the same array where others are None."""
    if first is None or second is None:
        return second if first is None else first
    both: Mask = scratch.empty(first.shape, np.bool_)
    return np.logical_or(first, second, out=both)


def same_bits(first: Pixels, second: Pixels) -> bool:
    """Say whether two images hold the same samples, bit for bit."""
    if first is second:
        return True
    ones, others = as_bits(first).reshape(-1), as_bits(second).reshape(-1)
    return all(bool((ones[piece] == others[piece]).all()) for piece in pieces(first.size))


def spread(samples: Pixels, special: Mask | None, most: int) -> Pixels:
    """Take about ``most`` of the samples that are not special, or up to twice as many, evenly spread over all."""
    flat = samples.reshape(-1)
    if special is None:
        return flat[:: max(1, flat.size // most)]
    marks = special.reshape(-1)
    step = max(1, (flat.size - int(np.count_nonzero(marks))) // most)
    seen, found = 0, [flat[:0]]
    for piece in pieces(flat.size):
        known = flat[piece][~marks[piece]]
        found.append(known[-seen % step :: step])
        seen += known.size
    return np.concatenate(found)
