"""Which samples of an image are marked as special; where that is doubtful, both ways are tried on some tiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from radcodec import detail
from radcodec.decoding.tile import ImageCoding, Pixels
from radcodec.encoding.options import Bounded, EncodeOptions, Fidelity, Lossless, Lossy
from radcodec.encoding.special import Special, all_marks, find_special, with_outliers, with_value
from radcodec.pixels.masks import Mask, encode_mask
from radcodec.pixels.pieces import copied
from radcodec.pixels.tiles import Box, slices
from radcodec.runtime.scratch import Scratch

TRIED_TILES = 3


def mark_special(image: Pixels, coding: ImageCoding, fidelity: Fidelity, options: EncodeOptions) -> Special:
    """Mark the special samples of an image; of doubtful fill values those that make some of its tiles smaller."""
    exact, in_steps = isinstance(fidelity, Lossless), isinstance(fidelity, Bounded)
    scratch = options.scratch
    special = find_special(image, coding.record, exact=exact, in_steps=in_steps, fills=options.fills, scratch=scratch)
    for value in special.values:
        marked = with_value(special, image, value, scratch)
        if marked.sure is not None and _is_smaller(image, coding, (marked.sure, special.sure), options.effort):
            special = marked
    special = with_outliers(special, image, scratch)
    if not isinstance(fidelity, Lossy):
        return special
    marks = all_marks(special, scratch)
    shared = coding.grid.n_tiles > 0 and coding.grid.box(0)[1] > 1
    sure = _with_constant_planes(image, marks, scratch) if shared else marks
    return replace(special, sure=sure, doubtful=None)


def _with_constant_planes(image: Pixels, marks: Mask | None, scratch: Scratch) -> Mask | None:
    """Add all of each plane of one value: a base layer would blur it, and exact it would make its tile exact."""
    constant = [_is_constant(plane, None if marks is None else marks[number]) for number, plane in enumerate(image)]
    if not any(constant) or all(constant):
        return marks
    more: Mask = scratch.zeros(image.shape, np.bool_) if marks is None else copied(marks, scratch)
    for number in np.flatnonzero(constant).tolist():
        more[number] = True
    return more


def _is_constant(plane: Pixels, special: Mask | None) -> bool:
    """Say whether all samples that are not special have one value; planes that share a tile are small."""
    known = plane.reshape(-1) if special is None else plane[~special]
    return known.size > 0 and bool((known == known[0]).all())


def _is_smaller(image: Pixels, coding: ImageCoding, masks: tuple[Mask, Mask | None], effort: int) -> bool:
    """Say whether a few tiles, coded losslessly, take fewer bytes with the first special samples than with the second.

    The tiles are spread evenly over those that differ.
    """
    first, second = masks
    boxes = [coding.grid.box(tile) for tile in range(coding.grid.n_tiles)]
    boxes = [box for box in boxes if _differ(first[slices(box)], None if second is None else second[slices(box)])]
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
                block = detail.fit_image(samples, special, None, coding.record.sample_type, effort=effort)
                stream = detail.encode_tile(samples, special, detail.load_predictors(block), None)
                sizes[-1] += len(block) + len(stream)
        saved += sizes[1] - sizes[0]
    return saved > 0


def _differ(first: Mask, second: Mask | None) -> bool:
    return bool(first.any() if second is None else (first != second).any())


def part_of(mask: Mask | None, box: Box) -> Mask | None:
    """Cut a box out of a mask; None where no sample in it is marked."""
    part = None if mask is None else np.ascontiguousarray(mask[slices(box)])
    return part if part is not None and part.any() else None
