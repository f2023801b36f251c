"""Which samples of an image are marked as special; where that is doubtful, both ways are tried on some tiles."""

from __future__ import annotations

import numpy as np

from radcodec import detail
from radcodec.decoding.tile import ImageCoding, Pixels
from radcodec.encoding.options import Bounded, EncodeOptions, Fidelity, Lossless, Lossy
from radcodec.encoding.special import Special, all_marks, find_special, with_outliers, with_value
from radcodec.pixels.masks import Mask, encode_mask
from radcodec.pixels.tiles import Box, slices

TRIED_TILES = 3


def mark_special(image: Pixels, coding: ImageCoding, fidelity: Fidelity, options: EncodeOptions) -> Special:
    """Mark the special samples of an image; of doubtful fill values those that make some of its tiles smaller."""
    exact, in_steps = isinstance(fidelity, Lossless), isinstance(fidelity, Bounded)
    special = find_special(image, coding.record, exact=exact, in_steps=in_steps, fills=options.fills)
    for value in special.values:
        marked = with_value(special, image, value)
        if marked.sure is not None and _is_smaller(image, coding, marked.sure, special.sure):
            special = marked
    special = with_outliers(special, image)
    if not isinstance(fidelity, Lossy):
        return special
    marks = all_marks(special)
    shared = coding.grid.n_tiles > 0 and coding.grid.box(0)[1] > 1
    return Special(sure=_with_constant_planes(image, marks) if shared else marks, doubtful=None)


def _with_constant_planes(image: Pixels, marks: Mask | None) -> Mask | None:
    """Add all of each plane of one value: a base layer would blur it, and exact it would make its tile exact."""
    known = np.ones(image.shape, np.bool_) if marks is None else ~marks
    constant = [part.size > 0 and bool((part == part[0]).all()) for part in map(_taken, image, known)]
    if not any(constant) or all(constant):
        return marks
    more = np.zeros(image.shape, np.bool_) if marks is None else marks.copy()
    more[constant] = True
    return more


def _taken(plane: Pixels, known: Mask) -> Pixels:
    return np.asarray(plane[known])


def _is_smaller(image: Pixels, coding: ImageCoding, first: Mask, second: Mask | None) -> bool:
    """Say whether a few tiles, coded losslessly, take fewer bytes with the first special samples than with the second.

    The tiles are spread evenly over those that differ.
    """
    differs = first if second is None else first != second
    boxes = [coding.grid.box(tile) for tile in range(coding.grid.n_tiles)]
    boxes = [box for box in boxes if differs[slices(box)].any()]
    n_some = min(len(boxes), TRIED_TILES)
    some = [boxes[(2 * place + 1) * len(boxes) // (2 * n_some)] for place in range(n_some)]
    saved = 0
    for box in some:
        samples = np.ascontiguousarray(image[slices(box)])
        sizes = []
        for mask in (first, second):
            special = part_of(mask, box)
            sizes.append(len(encode_mask(samples, special)))
            if special is None or not special.all():
                block = detail.fit_image(samples, special, None, coding.record.sample_type)
                stream = detail.encode_tile(samples, special, detail.load_predictors(block), None)
                sizes[-1] += len(block) + len(stream)
        saved += sizes[1] - sizes[0]
    return saved > 0


def part_of(mask: Mask | None, box: Box) -> Mask | None:
    """Cut a box out of a mask; None where no sample in it is marked."""
    part = None if mask is None else np.ascontiguousarray(mask[slices(box)])
    return part if part is not None and part.any() else None
