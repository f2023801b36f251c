"""The base layer that is kept beside exact or bounded tiles for quick looks: one step for all, within a budget.

A few tiles are coded at several steps to find the step, and are kept. The others are coded once, batch after batch.
Each batch has the step with which all that is left takes the rest of the budget. Where the step leaves nothing of
high frequencies, tiles are coded from averages of 2 by 2 pixels, in a third of the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from radcodec.base.normalise import (
    GROUP,
    MAX_STEP,
    MIN_STEP,
    Normalisation,
    code_averages,
    code_base,
    pack_codes,
    read_digest,
)
from radcodec.errors import FormatError, GuaranteeError
from radcodec.runtime.parallel import ordered_map

if TYPE_CHECKING:
    from radcodec.base.store import Codes, SteppedModel

START_STEP, START_POWER = 1.3, -0.42  # first step tried, in units of the noise: times this power of bits a pixel
SLOPE, SLOPES = 0.45, (0.15, 1.0)  # power of sizes that steps go with; the range of what is measured
FAR = 1.6  # factor between steps from which transforms are chosen anew
LOOK_TILES, LOOK_TURNS = 4, 4
FILL_TURNS, TURNS = 5, 12  # in which a budget is filled; in which tiles come down to it
LOOK_CLOSE = 0.9  # how near to their share of the budget some tiles come before all are coded
AIM, CLOSE = 0.985, 0.97  # of the budget: what is aimed at, and what is near enough
SPREAD = 4  # tiles that are coded again at a time, and how far apart they lie
BATCHES = 8  # at most; after each, the step follows the sizes
TELLING, POWERS = 0.02, (0.5, 7.0)  # logarithm of steps that say how sizes go with them; the range of their power
MORE = 4.0  # power of the change that all tiles would take, for those that are coded again
MOST_CHANGE = 2.0  # of sizes, for the sake of what the batches before took too much
AVERAGED_BITS = 0.04  # bits a pixel up to which tiles are coded from averages without a look at full resolution
HIGH_SHARE = 0.01  # of the coefficients that are not 0: with fewer at high frequencies averages are as good


@dataclass(frozen=True, slots=True, kw_only=True)
class TileValues:
    """What a preview of a tile is made from: samples [p, h, w], their special ones, offset and scale of each plane."""

    samples: npt.NDArray[Any] = field(repr=False)
    special: npt.NDArray[np.bool_] | None = field(repr=False)
    pairs: Normalisation


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewTile:
    """The streams of all stages of a tile, and a digest of the codes that they stand for; no streams: no picture.

    ``choices`` are codes without content, which other codes of the tile may be like. ``high_share`` is the share of
    what the streams hold that averages would leave out. ``step`` is the one asked for, 0 without streams.
    """

    streams: tuple[bytes, ...] = ()
    digest: bytes = b""
    choices: Codes | None = None
    high_share: float = 0.0
    step: float = 0.0

    @property
    def n_bytes(self) -> int:
        """Count the bytes of all streams."""
        return sum(map(len, self.streams))


ReadTile = Callable[[int], TileValues | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Coder:
    """Codes tiles at a step, from all pixels or from averages."""

    model: SteppedModel
    read: ReadTile = field(repr=False)
    threads: int
    averaged: bool

    def codes(self, tile: int, step: float, like: Codes | None = None) -> Codes | None:
        """Code a tile with the choices of ``like``; None where it has nothing to show."""
        values = self.read(tile)
        if values is None:
            return None
        parts = (values.samples, values.special, values.pairs)
        if self.averaged:
            return code_averages(self.model, *parts, step, like)
        return code_base(self.model, *parts, step, like or code_averages(self.model, *parts, step))

    def tile(self, tile: int, step: float, like: Codes | None = None) -> PreviewTile:
        """Code and pack a tile."""
        codes = self.codes(tile, step, like)
        if codes is None:
            return PreviewTile()
        return PreviewTile(
            streams=pack_codes(self.model, codes, self.model.n_stages),
            digest=self.model.digest(codes),
            choices=self.model.choices(codes),
            high_share=self.model.high_share(codes),
            step=step,
        )

    def some_tiles(
        self, tiles: Sequence[int], step: float, likes: Sequence[Codes | None] | None = None
    ) -> list[PreviewTile]:
        """Code some tiles at a step; each chooses its transform, but for those with choices in ``likes``."""
        given = [None] * len(tiles) if likes is None else likes
        places = range(len(tiles))
        return list(ordered_map(lambda place: self.tile(tiles[place], step, given[place]), places, self.threads))

    def again(self, made: Sequence[PreviewTile], tiles: Sequence[int], factor: float) -> list[PreviewTile]:
        """Code tiles again at their step times a factor; ``made`` holds what each was, whose choices are kept."""

        def one(place: int) -> PreviewTile:
            before = made[place]
            if before.choices is None:
                return PreviewTile()
            return self.tile(tiles[place], _within_range(before.step * factor), before.choices)

        return list(ordered_map(one, range(len(tiles)), self.threads))


def fit_preview(
    n_tiles: int, read: ReadTile, n_pixels: int, *, model: SteppedModel, budget: int, threads: int
) -> list[PreviewTile] | None:
    """Code every tile at about the finest step with which all streams take at most ``budget`` bytes.

    Parameters
    ----------
    read
        Gives the values of a tile, None where it has nothing to show; called from several threads.
    n_pixels
        Of all tiles.

    Returns
    -------
    The streams of each tile, or None where the tiles take more at every step.
    """
    bits = 8 * budget / n_pixels
    coder = _Coder(model=model, read=read, threads=threads, averaged=bits <= AVERAGED_BITS)
    step = _within_range(START_STEP * bits**START_POWER)
    every = GROUP if n_tiles >= GROUP**2 else 1
    look = sorted({(2 * place + 1) * n_tiles // (2 * LOOK_TILES) // every * every for place in range(LOOK_TILES)})
    made: dict[int, PreviewTile] = {}
    if len(look) < n_tiles:
        step, coder, made = _look(coder, look, step, budget * len(look) // n_tiles)
    tiles, slope = _code_rest(coder, n_tiles, step, budget, made)
    return _fill(coder, tiles, budget, slope)


def _within_range(step: float) -> float:
    return min(max(step, MIN_STEP), MAX_STEP)


def _next_step(step: float, size: int, aim: float, slope: float = SLOPE) -> float:
    """Predict the step at which tiles take about ``aim`` bytes; they take ``size`` at ``step``."""
    return _within_range(step * (max(size, 1) / max(aim, 1.0)) ** slope)


def _look(coder: _Coder, look: Sequence[int], step: float, budget: int) -> tuple[float, _Coder, dict[int, PreviewTile]]:
    """Find the step at which some tiles take about ``budget`` bytes, and how all are to be coded; and these tiles."""
    before: tuple[float, int] | None = None
    chosen_at, made = 0.0, [PreviewTile()] * len(look)
    for _ in range(LOOK_TURNS):
        if chosen_at / FAR <= step <= chosen_at * FAR:
            made = coder.some_tiles(look, step, [tile.choices for tile in made])
        else:
            made, chosen_at = coder.some_tiles(look, step), step
        size = sum(tile.n_bytes for tile in made)
        if LOOK_CLOSE * budget <= size <= budget / LOOK_CLOSE:
            break
        slope = SLOPE
        if before is not None and size and before[1] and before[1] != size:
            slope = min(max(math.log(step / before[0]) / math.log(before[1] / size), SLOPES[0]), SLOPES[1])
        before = (step, size)
        step = _next_step(step, size, budget, slope)
    averaged = coder.averaged or max(tile.high_share for tile in made) <= HIGH_SHARE
    return step, replace(coder, averaged=averaged), dict(zip(look, made, strict=True))


def _batches(n_tiles: int, known: Iterable[int]) -> list[list[int]]:
    """Divide the tiles that are not known into batches, each spread over the image.

    Of many tiles, every fourth chooses its transform, and is in the first batch; the next three reuse its choice.
    """
    every = GROUP if n_tiles >= GROUP**2 else 1
    wanted = sorted(set(range(n_tiles)) - set(known))
    rest = [tile for tile in wanted if tile % every or every == 1]
    n_batches = max(1, min(BATCHES, len(rest) // SPREAD))
    parts = [rest[first::n_batches] for first in range(n_batches)]
    return list(filter(None, [[tile for tile in wanted if every > 1 and tile % every == 0], *parts]))


def _code_rest(
    coder: _Coder, n_tiles: int, step: float, budget: int, made: dict[int, PreviewTile]
) -> tuple[list[PreviewTile], float]:
    """Code the tiles that are not yet made, so that all take about a budget; gives all tiles, and a slope.

    Sizes go with a power of the step, so what tiles took at one step says what others take at another. What batches
    take corrects the power.
    """
    every = GROUP if n_tiles >= GROUP**2 else 1
    made, power = dict(made), 1.0 / SLOPE
    done = [_Batch.of(list(made.values()), step)] if made else []
    for batch in _batches(n_tiles, made):
        if done:
            mean = sum(one.size * (one.step / step) ** power for one in done) / len(made)
            expected, left = mean * (n_tiles - len(made)), AIM * budget - sum(one.size for one in done)
            step = _next_step(step, int(expected), max(left, expected / MOST_CHANGE), 1.0 / power)
        leaders = [made[tile // every * every] if every > 1 and tile % every else PreviewTile() for tile in batch]
        found = coder.some_tiles(batch, step, [leader.choices for leader in leaders])
        made.update(zip(batch, found, strict=True))
        done.append(_Batch.of(found, step))
        if len(done) > 1:
            power = _power(done[-2], done[-1], power)
    return [made[tile] for tile in range(n_tiles)], 1.0 / power


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Tiles that were coded at one step, their number and bytes."""

    count: int
    size: int
    step: float

    @classmethod
    def of(cls, tiles: Sequence[PreviewTile], step: float) -> _Batch:
        """Count tiles."""
        return cls(count=len(tiles), size=sum(tile.n_bytes for tile in tiles), step=step)


def _power(before: _Batch, after: _Batch, known: float) -> float:
    """Correct the power of steps that sizes go with by half of what two batches show, where their steps differ."""
    finer = math.log(before.step / after.step)
    if abs(finer) < TELLING or not before.size or not after.size:
        return known
    found = math.log(after.size * before.count / (before.size * after.count)) / finer
    return 0.5 * (known + min(max(found, POWERS[0]), POWERS[1]))


def _fill(coder: _Coder, made: list[PreviewTile], budget: int, slope: float) -> list[PreviewTile] | None:
    """Code as many tiles again, at a coarser or finer step, as it takes to fill a budget; None where that cannot be.

    Steps are changed by four times what it takes, so that about every fourth tile is coded again. The last turns, which
    few images need, go for coarse steps.
    """
    order = [tile for first in range(SPREAD) for tile in range(first, len(made), SPREAD)]
    slope = MORE * slope if len(made) > SPREAD else SLOPE
    size, at = sum(tile.n_bytes for tile in made), 0
    for turn in range(TURNS):
        over, steps = size > budget, {tile.step for tile in made if tile.streams}
        if not over and (size >= CLOSE * budget or steps <= {MIN_STEP} or turn >= FILL_TURNS):
            return made
        if over and steps <= {MAX_STEP}:
            return None
        factor = (max(size, 1) / (AIM * budget)) ** (slope if turn < FILL_TURNS else 1.0)
        for _ in range(0, len(order), SPREAD):
            tiles = order[at : at + SPREAD]
            at = at + SPREAD if at + SPREAD < len(order) else 0
            for tile, again in zip(tiles, coder.again([made[tile] for tile in tiles], tiles, factor), strict=True):
                after = size + again.n_bytes - made[tile].n_bytes
                if over or after <= budget:
                    made[tile], size = again, after
            if (size <= budget) if over else size >= CLOSE * budget:
                break
    return made if size <= budget else None


def check_preview(
    tiles: Sequence[PreviewTile], shapes: Sequence[tuple[int, int, int]], model: SteppedModel, threads: int
) -> None:
    """Read the streams of every tile and compare what they hold with the codes that they were made from.

    ``shapes`` are those of the tiles, [p, h, w].

    Raises
    ------
    GuaranteeError
        If a stream is unsound or holds other codes.
    """

    def one(tile: int) -> bool:
        made = tiles[tile]
        if not made.streams:
            return True
        try:
            return read_digest(model, made.streams, shapes[tile]) == made.digest
        except FormatError as err:
            raise GuaranteeError(f"the base layer of tile {tile} does not decode: {err}; nothing was written") from err

    for tile, same in enumerate(ordered_map(one, range(len(tiles)), threads)):
        if not same:
            raise GuaranteeError(f"the base layer of tile {tile} decodes to other values; nothing was written")
