"""How much base layer a file keeps: stages, or a step, that fit into a share of it or into a number of bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from radcodec.base.normalise import MAX_STEP, MIN_STEP
from radcodec.container.layout import entry_bytes

SLOPES = (0.6, 4.0)  # least and greatest power of sizes that steps go with, as long as only one side is known
AIM, CLOSE = 0.985, 0.965  # of a budget: what is aimed at, and what is near enough
Made = TypeVar("Made")
# Sizes in bytes of the stream of every stage of one tile.
StageSizes = Sequence[int]


def n_leading(sizes: StageSizes) -> int:
    """Number of stages before the first empty one."""
    return next((stage for stage, size in enumerate(sizes) if not size), len(sizes))


def fits_preview(tiles: Sequence[StageSizes], *, other_bytes: int, fixed_bytes: int, percent: float) -> bool:
    """Whether all of these stages take at most ``percent`` of the file, and hold anything at all.

    Parameters
    ----------
    tiles
        Sizes of all tiles of all images.
    other_bytes
        Everything in the file that is not the base layer.
    fixed_bytes
        What a base layer of any number of stages adds beside its streams and index entries.
    """
    streams = sum(map(sum, tiles))
    entries = sum(entry_bytes((0, 0), sizes) - entry_bytes((0, 0)) for sizes in tiles)
    base = streams + fixed_bytes + entries
    return streams > 0 and 100 * base <= percent * (other_bytes + base)


def fill_stages(tiles: Sequence[StageSizes], n_stages: int, budget_bytes: int) -> list[int] | None:
    """How many of its first ``n_stages`` stages each tile keeps so that the streams fit; None where one each does not.

    Coarse stages of all tiles come before finer ones; within a stage the tiles that need most bytes, which are those
    with most in them, come first. Tiles without a base layer keep 0.
    """
    full = [min(n_stages, n_leading(sizes)) for sizes in tiles]
    kept = [min(1, most) for most in full]
    left = budget_bytes - sum(sizes[0] for sizes, n in zip(tiles, kept, strict=True) if n)
    if left < 0:
        return None
    for stage in range(1, n_stages):
        candidates = [tile for tile, most in enumerate(full) if kept[tile] == stage < most]
        for tile in sorted(candidates, key=lambda tile: -tiles[tile][stage]):
            if tiles[tile][stage] <= left:
                kept[tile] += 1
                left -= tiles[tile][stage]
    return kept


def search_step(
    measure: Callable[[float], tuple[Made, int]], budget: int, step: float, turns: int
) -> tuple[float, Made | None]:
    """The last step tried, and what the finest step that keeps to a budget gives, None where none was found."""
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
