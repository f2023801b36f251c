"""Base layers of lossy images and previews: codes of every tile, coded again at other steps, and their streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from radcodec.base.normalise import (
    ENOUGH_SAMPLES,
    GROUP,
    code_base,
    in_groups,
    pack_codes,
    pack_normalisation,
    plan_normalisation,
    shelve_codes,
    shorten,
)
from radcodec.base.store import is_stepped
from radcodec.decoding.tile import Pixels, SharedParts, base_values
from radcodec.encoding.coded_image import CodedImage, base_values_of, report_progress
from radcodec.encoding.details import add_details, fit_predictors, with_predictors
from radcodec.encoding.options import EncodeOptions
from radcodec.encoding.plane_noise import measure
from radcodec.errors import FormatError, GuaranteeError
from radcodec.pixels.masks import Mask
from radcodec.pixels.tiles import slices
from radcodec.runtime.parallel import ordered_map
from radcodec.types import Stream

if TYPE_CHECKING:
    from radcodec.base.store import Codes, Model, SteppedModel


def normalise(coded: CodedImage, model: Model, enough: int = ENOUGH_SAMPLES) -> CodedImage:
    """Plan offset and scale of each plane for the base layer of a model, by ``enough`` samples of each."""
    plan = coded.plan
    noise = partial(measure, plan.pixels, plan.special)
    pairs = plan_normalisation(plan.pixels, plan.special, noise, enough)
    if coded.is_lossy:
        pairs = shorten(pairs)
    coding = replace(coded.coding, normalisation=pairs, shared=SharedParts(coded.params.predictors, model))
    return replace(
        coded, coding=coding, params=replace(coded.params, base=pack_normalisation(pairs, short=coded.is_lossy))
    )


def add_base(coded: CodedImage, model: Model, options: EncodeOptions, step: float | None = None) -> CodedImage:
    """Code the base layer of every tile that it can hold, at a step (None: the finest); `add_stages` makes streams.

    In lossy mode a tile in a plane without noise, where a base layer has nothing to show, is coded exactly. A preview
    needs no codes for a tile that is its planes' offset everywhere.
    """
    grid = coded.coding.grid
    if grid.n_tiles == 0:
        return coded
    coded, held = _find_base(coded, model)

    def one(tile: int, like: Codes | None) -> Codes | None:
        return _code_tile(coded, tile, options, step, like) if held[tile] else None

    codes: list[Codes | None] = []
    for tile, found in enumerate(in_groups(one, grid.n_tiles, base_threads(model, options))):
        codes.append(found)
        if coded.is_lossy:
            report_progress(options, grid.box(tile))
    return _add_exact(replace(coded, codes=codes), options)


def plan_base(coded: CodedImage, model: SteppedModel, options: EncodeOptions) -> CodedImage:
    """Give every tile that a base layer can hold codes that say nothing; otherwise as `add_base`."""
    if coded.coding.grid.n_tiles == 0:
        return coded
    coded, held = _find_base(coded, model)
    boxes = map(coded.coding.grid.box, range(coded.n_tiles))
    shapes = [((p1 - p0) * (y1 - y0), x1 - x0) for p0, p1, y0, y1, x0, x1 in boxes]
    blank = {shape: model.blank_tile(shape) for shape in set(shapes)}  # one for all: it is as large as a tile
    codes = [blank[shape] if has else None for shape, has in zip(shapes, held, strict=True)]
    for tile in (tile for tile, has in enumerate(held) if not has):
        report_progress(options, coded.coding.grid.box(tile))
    return _add_exact(replace(coded, codes=codes), options)


def _find_base(coded: CodedImage, model: Model) -> tuple[CodedImage, list[bool]]:
    """Normalise an image, and say which of its tiles get a base layer."""
    coded = normalise(coded, model)
    plan, grid = coded.plan, coded.coding.grid
    sigmas = [measure(plan.pixels, plan.special, plane) for plane in range(grid.n_planes)] if coded.is_lossy else []
    return coded, [has_base(coded, tile, sigmas) for tile in range(grid.n_tiles)]


def _add_exact(coded: CodedImage, options: EncodeOptions) -> CodedImage:
    """Code the tiles of a lossy image exactly that have no base layer."""
    exact = [tile for tile, codes in enumerate(coded.codes) if codes is None and not coded.is_special(tile)]
    if not coded.is_lossy or not exact:
        return coded
    return add_details(with_predictors(coded, fit_predictors(coded.plan, coded.plan.pixels, options)), options, exact)


def tile_samples(coded: CodedImage, tile: int) -> tuple[Pixels, Mask | None]:
    """Give the samples [p, h, w] of a tile, and which are special."""
    part, special = slices(coded.coding.grid.box(tile)), coded.plan.special
    return coded.plan.pixels[part], None if special is None else special[part]


def has_base(coded: CodedImage, tile: int, sigmas: Sequence[float] = ()) -> bool:
    """Say whether a tile gets a base layer; in lossy mode by the noise of each plane."""
    (p0, p1, *_), (samples, special) = coded.coding.grid.box(tile), tile_samples(coded, tile)
    if special is not None and bool(special.all()):
        return False
    if coded.is_lossy:
        # A plane without a pixel to code (blank channels of a cube) has no noise, and needs none.
        known = range(p0, p1) if special is None else [p0 + n for n, plane in enumerate(special) if not plane.all()]
        return all(sigmas[plane] > 0 for plane in known)
    pairs = coded.coding.normalisation
    if pairs is None:
        return False
    same = samples == pairs[p0:p1, 0, None, None]
    return not bool((same if special is None else same | special).all())


def _code_tile(
    coded: CodedImage, tile: int, options: EncodeOptions, step: float | None, like: Codes | None
) -> Codes | None:
    """Code the base layer of a tile at a step, with the choices of other codes where these are given."""
    pairs, (p0, p1, *_) = coded.coding.normalisation, coded.coding.grid.box(tile)
    if pairs is None:
        return None
    samples, special = tile_samples(coded, tile)
    model = coded.coding.shared.model
    codes = code_base(model, samples, special, pairs[p0:p1], step, like, keep_flux=coded.is_lossy)
    return shelve_codes(model, codes, options.scratch.keep)


def base_threads(model: Model, options: EncodeOptions) -> int:
    """Count the threads to code tiles on: a model without a step keeps torch to one thread while it works."""
    return options.threads if model.takes_step else 1


def code_again(
    coded: CodedImage, options: EncodeOptions, steps: Mapping[int, float], *, report: bool = False
) -> CodedImage:
    """Code tiles of an image again at their steps; all tiles keep the choices they made, others their codes.

    ``report``: count their pixels as done.
    """

    def one(tile: int) -> Codes | None:
        return _code_tile(coded, tile, options, steps[tile], coded.codes[tile])

    chosen, codes = list(steps), list(coded.codes)
    threads = base_threads(coded.coding.shared.model, options)
    for tile, found in zip(chosen, ordered_map(one, chosen, threads), strict=True):
        codes[tile] = found
        if report:
            report_progress(options, coded.coding.grid.box(tile))
    return replace(coded, codes=codes)


def choose_for_groups(coded: CodedImage, options: EncodeOptions, step: float) -> tuple[CodedImage, list[int]]:
    """Code the first tile of each group of an image with new choices, and give these to the others of the group.

    Return the image, and its tiles that have chosen: those alone have codes with content. In an image of few tiles
    every tile chooses.
    """
    own = [tile for tile, codes in enumerate(coded.codes) if codes is not None]
    leaders = own if len(own) < GROUP**2 else own[::GROUP]
    model, codes = coded.coding.shared.model, list(coded.codes)
    found = ordered_map(
        lambda tile: _code_tile(coded, tile, options, step, None), leaders, base_threads(model, options)
    )
    for tile, chosen in zip(leaders, found, strict=True):
        codes[tile] = chosen
    if leaders is not own and is_stepped(model):
        for k, tile in enumerate(own):
            if k % GROUP:
                codes[tile] = model.choices(codes[own[k - k % GROUP]])
    return replace(coded, codes=codes), leaders


def add_stages(
    coded: CodedImage, model: Model, n_stages: int, options: EncodeOptions, tiles: Sequence[int] | None = None
) -> CodedImage:
    """Make the streams of the first ``n_stages`` base stages of all tiles, or of some; the others keep theirs.

    They are empty for tiles without a base layer.
    """

    def one(tile: int) -> tuple[Stream, ...]:
        codes = coded.codes[tile]
        if codes is None:
            return (b"",) * n_stages
        streams = pack_codes(model, codes, n_stages)
        used = min(n_stages, model.used_stages(codes)) if coded.is_lossy and is_stepped(model) else n_stages
        return (*map(options.scratch.keep, streams[:used]), *(b"",) * (n_stages - used))

    chosen = range(len(coded.codes)) if tiles is None else tiles
    base = list(coded.base) or [(b"",) * n_stages] * len(coded.codes)
    for tile, streams in zip(chosen, ordered_map(one, chosen, options.threads), strict=True):
        base[tile] = streams
    return replace(coded, base=base)


def check_base(coded: CodedImage, kept: Sequence[int], threads: int) -> None:
    """Decode the base streams that each tile keeps and compare them with what its codes stand for.

    ``kept`` holds the number of stages that each tile keeps.

    Raises
    ------
    GuaranteeError
        If a stream is unsound or decodes to another value.
    """
    grid = coded.coding.grid

    def one(tile: int) -> bool:
        meant = base_values_of(coded, tile, kept[tile])
        if meant is None:
            return True
        try:
            found = base_values(coded.coding, grid.box(tile), list(map(bytes, coded.base[tile][: kept[tile]])))
        except FormatError as err:
            raise GuaranteeError(f"the base layer of tile {tile} does not decode: {err}; nothing was written") from err
        return bool(np.array_equal(found, meant))

    for tile, same in enumerate(ordered_map(one, range(grid.n_tiles), threads)):
        if not same:
            raise GuaranteeError(f"the base layer of tile {tile} decodes to other values; nothing was written")
