"""Base layers of lossy images and previews: codes of every tile, coded again at other steps, and their streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from radcodec.base.normalise import (
    ENOUGH_SAMPLES,
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
    from radcodec.base.store import Codes, Model


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
    """Code the base layer of every tile that it can hold; `add_stages` makes streams of the codes.

    In lossy mode a tile in a plane without noise, where a base layer has nothing to show, is coded exactly. A preview
    needs no codes for a tile that is its planes' offset everywhere.
    """
    grid, plan = coded.coding.grid, coded.plan
    if grid.n_tiles == 0:
        return coded
    coded = normalise(coded, model)
    sigmas = [measure(plan.pixels, plan.special, plane) for plane in range(grid.n_planes)] if coded.is_lossy else []

    def one(tile: int, like: Codes | None) -> Codes | None:
        return _code_tile(coded, tile, options, step, like) if has_base(coded, tile, sigmas) else None

    codes: list[Codes | None] = []
    for tile, found in enumerate(in_groups(one, grid.n_tiles, base_threads(model, options))):
        codes.append(found)
        if coded.is_lossy:
            report_progress(options, grid.box(tile))
    coded = replace(coded, codes=codes)
    exact = [tile for tile in range(grid.n_tiles) if codes[tile] is None and not coded.is_special(tile)]
    if not coded.is_lossy or not exact:
        return coded
    return add_details(with_predictors(coded, fit_predictors(plan, plan.pixels, options)), options, exact)


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
    coded: CodedImage, options: EncodeOptions, step: float, tiles: Sequence[int] | None = None
) -> CodedImage:
    """Code an image of `add_base` at another step, all tiles or some of them alone; they keep the choices they made."""
    chosen = set(range(coded.n_tiles) if tiles is None else tiles)

    def one(tile: int) -> Codes | None:
        like = coded.codes[tile]
        return None if tile not in chosen or like is None else _code_tile(coded, tile, options, step, like)

    threads = base_threads(coded.coding.shared.model, options) if coded.n_tiles else 1
    return replace(coded, codes=list(ordered_map(one, range(coded.n_tiles), threads)))


def choose_again(coded: CodedImage, options: EncodeOptions, step: float) -> CodedImage:
    """Code an image of `add_base` at another step, with new choices."""

    def one(tile: int, like: Codes | None) -> Codes | None:
        return None if coded.codes[tile] is None else _code_tile(coded, tile, options, step, like)

    threads = base_threads(coded.coding.shared.model, options) if coded.n_tiles else 1
    return replace(coded, codes=list(in_groups(one, coded.n_tiles, threads)))


def add_stages(coded: CodedImage, model: Model, n_stages: int, options: EncodeOptions) -> CodedImage:
    """Make the streams of the first ``n_stages`` base stages; empty ones for tiles without a base layer."""

    def one(codes: Codes | None) -> tuple[Stream, ...]:
        if codes is None:
            return (b"",) * n_stages
        streams = pack_codes(model, codes, n_stages)
        used = min(n_stages, model.used_stages(codes)) if coded.is_lossy and is_stepped(model) else n_stages
        return (*map(options.scratch.keep, streams[:used]), *(b"",) * (n_stages - used))

    return replace(coded, base=list(ordered_map(one, coded.codes, options.threads)))


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
