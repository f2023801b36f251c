"""Base layers of a given size: the finest step whose streams keep to a number of bytes.

Sizes come from the streams alone. Nothing here knows of headers or packages a file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from radcodec.base.normalise import MAX_STEP, MIN_STEP
from radcodec.encoding.base_codes import add_stages, choose_again, code_again
from radcodec.encoding.coded_image import CodedImage, FinishedImage, finish_image
from radcodec.encoding.options import EncodeOptions

if TYPE_CHECKING:
    from radcodec.base.store import Model

START_STEP = 2.0
FAR = 1.25  # factor between steps from which a tile's transform is chosen anew
TURNS, LOOK_TURNS = 10, 5
LOOK_TILES = 8
SLOPES = (0.6, 4.0)  # least and greatest power of sizes that steps go with, as long as only one side is known
AIM, CLOSE = 0.985, 0.965  # of a budget: what is aimed at, and what is near enough
Made = TypeVar("Made")


def search_step(
    measure: Callable[[float], tuple[Made, int]], budget: int, step: float, turns: int
) -> tuple[float, Made | None]:
    """Search the finest step that keeps to a budget.

    Parameters
    ----------
    measure
        Makes something at a step, and says how many bytes it has.

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
    slope = SLOPES[0]
    for _ in range(turns):
        images, size = measure(step)
        if size <= budget:
            if fits is None or size > fits[1]:
                best, fits = images, (step, size)
            if size >= CLOSE * budget or step == MIN_STEP:
                break
        else:
            breaks = (step, size)
            if step == MAX_STEP:
                break
        aim = max(AIM * budget, 1.0)
        if last is not None and last[1] != size:
            slope = min(max(math.log(step / last[0]) / math.log(last[1] / max(size, 1)), SLOPES[0]), SLOPES[1])
        last = (step, size)
        if fits is None or breaks is None:
            step *= (size / aim) ** slope
        else:  # sizes are about powers of steps
            share = math.log(breaks[1] / aim) / math.log(breaks[1] / max(fits[1], 1))
            step = breaks[0] * (fits[0] / breaks[0]) ** min(max(share, 0.05), 0.95)
        step = min(max(step, MIN_STEP), MAX_STEP)
    return step, best


def fill_budget(
    coded: Sequence[CodedImage], model: Model, options: EncodeOptions, budget: int
) -> list[CodedImage] | None:
    """Make all streams of images of `add_base` at START_STEP, at about the finest step that a budget allows.

    None where they take more at any step. Of many tiles a few are looked at first; choices are made anew where the step
    is far from START_STEP.
    """
    n_tiles = sum(image.n_tiles for image in coded)
    every, made_at = max(1, n_tiles // LOOK_TILES), START_STEP

    def streams(step: float, some: bool) -> tuple[list[CodedImage], int]:
        images = []
        for image in coded:
            tiles = range(every // 2, image.n_tiles, every) if some else None
            again = image if step == made_at and not some else code_again(image, options, step, tiles)
            images.append(add_stages(again, model, model.n_stages, options))
        return images, base_bytes(images)

    found = None
    if every > 1:
        share = budget * LOOK_TILES // n_tiles
        step, _ = search_step(lambda step: streams(step, True), share, START_STEP, LOOK_TURNS)
    else:
        step, found = search_step(lambda step: streams(step, False), budget, START_STEP, TURNS)
    far = not START_STEP / FAR <= step <= START_STEP * FAR
    if far:
        coded, made_at = [choose_again(image, options, step) for image in coded], step
    if far or every > 1:
        found = search_step(lambda step: streams(step, False), budget, step, TURNS)[1] or found
    return found


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
