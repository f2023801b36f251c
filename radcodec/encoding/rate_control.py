"""Base layers of a given size: the finest step whose streams keep to a number of bytes.

Sizes come from the streams alone. Nothing here knows of headers or packages a file. A step is guessed from the middles
of a few tiles, corrected by the tiles that choose for their group, and taken by all tiles. What is still wrong then is
mended by few tiles: their steps change by up to SHIFT.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from radcodec.base.normalise import MAX_STEP, MIN_STEP, Normalisation, code_base, pack_codes
from radcodec.decoding.tile import Pixels
from radcodec.encoding.base_codes import add_stages, choose_for_groups, code_again, tile_samples
from radcodec.encoding.coded_image import CodedImage, FinishedImage, finish_image, report_progress
from radcodec.encoding.options import EncodeOptions
from radcodec.pixels.masks import Mask

if TYPE_CHECKING:
    from radcodec.base.store import Codes, Model

START_STEP, START_POWER = 1.3, -0.42  # first guess of a step, in units of the noise: times this power of bits a pixel
FAR = 1.25  # factor between steps from which transforms are chosen anew
TURNS, PROBE_TURNS, ROUNDS = 10, 5, 3
PROBE_TILES = 4
PROBE_SIDE = 160  # px; of tiles of up to four times as many pixels everything is looked at
PROBE_CLOSE = 0.9  # of a budget: what is near enough for a guess
SHIFT = 0.08  # of the logarithm of a step: what a tile's step may differ by from that of others, about
MOST_CHOSEN = 0.5  # share of pixels of tiles that choose up to which these are not coded again
SLOPE, SLOPE_POWER = 1.1, 0.33  # first guess of the power of sizes that steps go with, times this power of bits a pixel
SLOPES = (0.4, 4.0)  # least and greatest power of sizes that steps go with, as long as only one side is known
AIM, CLOSE = 0.985, 0.965  # of a budget: what is aimed at, and what is near enough
Made = TypeVar("Made")
_GOLDEN = 0.618034


def search_step(
    measure: Callable[[float], tuple[Made, int]],
    budget: int,
    step: float,
    turns: int,
    *,
    slope: float,
    close: float = CLOSE,
) -> tuple[float, Made | None]:
    """Search the finest step that keeps to a budget.

    Parameters
    ----------
    measure
        Makes something at a step, and says how many bytes it has.
    slope
        Power of sizes that steps go with, as long as no two sizes are known.
    close
        Share of the budget from which a size is near enough.

    Returns
    -------
    step
        The last one tried.
    made
        What the finest step that keeps to the budget gives, None where no step did.
    """
    best: Made | None = None
    fits: tuple[float, int] | None = None
    breaks: tuple[float, int] | None = None
    last: tuple[float, int] | None = None
    for _ in range(turns):
        images, size = measure(step)
        if size <= budget:
            if fits is None or size > fits[1]:
                best, fits = images, (step, size)
            if size >= close * budget or step == MIN_STEP:
                break
        else:
            breaks = (step, size)
            if step == MAX_STEP:
                break
        aim = max(AIM * budget, 1.0)
        if last is not None and last[1] != size:
            slope = _slope_between(last, (step, size), slope)
        last = (step, size)
        if fits is None or breaks is None:
            step *= (size / aim) ** slope
        else:  # sizes are about powers of steps
            share = math.log(breaks[1] / aim) / math.log(breaks[1] / max(fits[1], 1))
            step = breaks[0] * (fits[0] / breaks[0]) ** min(max(share, 0.05), 0.95)
        step = min(max(step, MIN_STEP), MAX_STEP)
    return step, best


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """Images with the streams of their base layers, and the steps of these.

    ``levels`` are logarithms of the steps of all tiles with a base layer. ``n_shifted`` counts the tiles that were
    coded again so far: other ones come next. ``slope`` is the power of sizes that steps go with.
    """

    images: Sequence[CodedImage] = field(repr=False)
    levels: Sequence[float] = field(repr=False)
    slope: float
    n_shifted: int = 0


def fill_budget(
    start: Sequence[CodedImage] | Filling, model: Model, options: EncodeOptions, budget: int
) -> Filling | None:
    """Make all streams of images of `plan_base`, or of an earlier filling, at about the finest step of a budget.

    None where they take more at any step.
    """
    if budget <= 0:
        return None
    filling = start if isinstance(start, Filling) else _first_filling(start, model, options, budget)
    step = math.exp(math.fsum(filling.levels) / len(filling.levels))
    first = step

    def measure(step: float) -> tuple[Filling, int]:
        nonlocal filling
        if step != first:
            filling = _shift(filling, model, options, step)
        return filling, base_bytes(filling.images)

    return search_step(measure, budget, step, TURNS, slope=filling.slope)[1]


def _first_filling(coded: Sequence[CodedImage], model: Model, options: EncodeOptions, budget: int) -> Filling:
    """Choose transforms and codes of all tiles at about the step of a budget."""
    (step, slope), made_at, is_done = _guess_step(coded, model, options, budget), 0.0, False
    pixels = _count_pixels(coded)
    for _ in range(ROUNDS):
        if step / FAR <= made_at <= step * FAR:
            break
        chosen, made_at = [choose_for_groups(image, options, step) for image in coded], step
        coded, leaders = [image for image, _ in chosen], [tiles for _, tiles in chosen]
        made = [add_stages(image, model, model.n_stages, options, tiles) for image, tiles in chosen]
        size, share = base_bytes(made), budget * _count_pixels(coded, leaders) / pixels
        all_chose = all(len(tiles) == len(_own(image)) for image, tiles in chosen)
        is_done = all_chose and (CLOSE * budget <= size <= budget or (step == MIN_STEP and size <= budget))
        if is_done:
            break
        step *= (size / max(1.0, AIM * share)) ** slope
        step = min(max(step, MIN_STEP), MAX_STEP)
    if is_done:
        for image in made:
            for tile in _own(image):
                report_progress(options, image.coding.grid.box(tile))
        levels = [math.log(step)] * sum(len(_own(image)) for image in made)
        return Filling(images=made, levels=levels, slope=slope)
    left = _step_of_others(made_at, size, budget, _count_pixels(coded, leaders) / pixels, slope)
    steps = (step if left is None else left, made_at)
    images, levels = _code_others(made, leaders, steps, model, options, keep=left is not None)
    return Filling(images=images, levels=levels, slope=slope)


def _step_of_others(made_at: float, size: int, budget: int, share: float, slope: float) -> float | None:
    """Give the step of all other tiles if those that have chosen keep theirs; None where it is not near enough.

    ``size`` is that of the streams of the tiles that have chosen, ``share`` their share of the pixels.
    """
    room = AIM * budget - size
    if share > MOST_CHOSEN or room <= 0 or size == 0:
        return None
    step = made_at * (size * (1.0 - share) / share / room) ** slope
    return step if MIN_STEP < step < MAX_STEP and abs(math.log(step / made_at)) <= SHIFT else None


def _code_others(
    made: Sequence[CodedImage],
    leaders: Sequence[Sequence[int]],
    steps: tuple[float, float],
    model: Model,
    options: EncodeOptions,
    *,
    keep: bool,
) -> tuple[list[CodedImage], list[float]]:
    """Code tiles at the first of two steps; ``keep``: but those that have chosen stay as they are, at the second.

    Return the images, and the logarithms of all steps.
    """
    step, made_at = steps
    images: list[CodedImage] = []
    levels: list[float] = []
    for image, chosen in zip(made, leaders, strict=True):
        kept = frozenset(chosen if keep else ())
        own = {tile: step for tile in _own(image) if tile not in kept}
        for tile in kept:
            report_progress(options, image.coding.grid.box(tile))
        coded = code_again(image, options, own, report=True)
        images.append(add_stages(coded, model, model.n_stages, options, list(own)))
        levels += [math.log(made_at if tile in kept else step) for tile in _own(image)]
    return images, levels


def _guess_step(coded: Sequence[CodedImage], model: Model, options: EncodeOptions, budget: int) -> tuple[float, float]:
    """Guess the step of a budget by the middles of a few tiles, and the power of sizes that steps go with."""
    tiles = [(image, tile) for image in coded for tile in _own(image)]
    every = -(-len(tiles) // PROBE_TILES)
    crops = [_middle(image, tile) for image, tile in tiles[every // 2 :: every]]
    likes: list[Codes | None] = [None] * len(crops)
    pixels = _count_pixels(coded)

    tried: list[tuple[float, int]] = []

    def measure(step: float) -> tuple[None, int]:
        size = 0
        for k, (samples, special, pairs) in enumerate(crops):
            codes = code_base(model, samples, special, pairs, step, likes[k], keep_flux=True)
            size, likes[k] = size + sum(map(len, pack_codes(model, codes, model.n_stages))), codes
        tried.append((step, size))
        return None, size

    share = max(1, budget * sum(samples.size for samples, _, _ in crops) // pixels)
    step = min(max(START_STEP * (8 * max(budget, 1) / pixels) ** START_POWER, MIN_STEP), MAX_STEP)
    slope = _guess_slope(budget, pixels)
    step = search_step(measure, share, step, PROBE_TURNS, slope=slope, close=PROBE_CLOSE)[0]
    return step, _slope_between(tried[-2], tried[-1], slope) if len(tried) > 1 else slope


def _slope_between(first: tuple[float, int], second: tuple[float, int], slope: float) -> float:
    """Return the power of sizes that steps go with, by two steps and their sizes; a guess where these are the same."""
    if first[1] == second[1]:
        return slope
    found = math.log(second[0] / first[0]) / math.log(first[1] / max(second[1], 1))
    return min(max(found, SLOPES[0]), SLOPES[1])


def _guess_slope(budget: int, pixels: int) -> float:
    """Guess the power of sizes that steps go with."""
    guess = SLOPE * math.pow(8 * max(budget, 1) / pixels, SLOPE_POWER)
    return min(max(guess, SLOPES[0]), SLOPES[1])


def _middle(image: CodedImage, tile: int) -> tuple[Pixels, Mask | None, Normalisation]:
    """Give the middle of a tile, which is special, and the normalisation of its planes."""
    samples, special = tile_samples(image, tile)
    (p0, p1, *_), pairs = image.coding.grid.box(tile), image.coding.normalisation
    assert pairs is not None
    sides = samples.shape[1:]
    if sides[0] * sides[1] > 4 * PROBE_SIDE**2:
        rows, columns = (slice(max(0, n - PROBE_SIDE) // 2, (n + min(n, PROBE_SIDE)) // 2) for n in sides)
        samples, special = samples[:, rows, columns], None if special is None else special[:, rows, columns]
    return samples, special, pairs[p0:p1]


def _own(image: CodedImage) -> list[int]:
    """List the tiles of an image that have a base layer."""
    return [tile for tile, codes in enumerate(image.codes) if codes is not None]


def _count_pixels(coded: Sequence[CodedImage], tiles: Sequence[Sequence[int]] | None = None) -> int:
    """Count the pixels of tiles of each image, or of all that have a base layer."""
    chosen = [_own(image) for image in coded] if tiles is None else tiles
    boxes = (image.coding.grid.box(tile) for image, some in zip(coded, chosen, strict=True) for tile in some)
    return sum((p1 - p0) * (y1 - y0) * (x1 - x0) for p0, p1, y0, y1, x0, x1 in boxes)


def _shift(filling: Filling, model: Model, options: EncodeOptions, step: float) -> Filling:
    """Bring the mean of the steps' logarithms to that of a step by as few tiles as SHIFT allows; code these again."""
    levels, places = list(filling.levels), [(k, tile) for k, image in enumerate(filling.images) for tile in _own(image)]
    change = len(levels) * math.log(step) - math.fsum(levels)
    count = min(len(levels), max(1, math.ceil(abs(change) / SHIFT)))
    order = sorted(range(len(levels)), key=lambda k: k * _GOLDEN % 1.0)  # tiles that follow are far apart
    steps: list[dict[int, float]] = [{} for _ in filling.images]
    for k in range(filling.n_shifted, filling.n_shifted + count):
        one = order[k % len(order)]
        levels[one] = min(max(levels[one] + change / count, math.log(MIN_STEP)), math.log(MAX_STEP))
        steps[places[one][0]][places[one][1]] = min(max(math.exp(levels[one]), MIN_STEP), MAX_STEP)
    images = [
        add_stages(code_again(image, options, own), model, model.n_stages, options, list(own)) if own else image
        for image, own in zip(filling.images, steps, strict=True)
    ]
    return replace(filling, images=images, levels=levels, n_shifted=filling.n_shifted + count)


def base_bytes(coded: Sequence[CodedImage]) -> int:
    """Count the bytes of all base streams of images."""
    return sum(len(stream) for image in coded for tile in image.base for stream in tile)


def stage_sizes(coded: Sequence[CodedImage]) -> list[list[int]]:
    """List the bytes of each base stage of every tile of all images."""
    return [[len(stream) for stream in streams] for image in coded for streams in image.base]


def finish_all(
    coded: Sequence[CodedImage], kept: Sequence[int], n_stages: int, options: EncodeOptions
) -> list[FinishedImage]:
    """Finish all images with ``n_stages`` stages; tile i, counted over all images, keeps the first ``kept[i]``."""
    finished: list[FinishedImage] = []
    position = 0
    for image in coded:
        # Without a base stream there is nothing to normalise and no model to name.
        stages = n_stages if image.record.on_base or any(map(any, image.base)) else 0
        own = kept[position : position + image.n_tiles]
        if image.is_lossy and stages:
            stages = max(1, *own)
        finished.append(finish_image(image, own, stages, options))
        position += image.n_tiles
    return finished
