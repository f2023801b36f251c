"""The base layer that is kept beside exact or bounded tiles for quick looks: one step for all, within a budget.

Bytes go with the number of coefficients that a step keeps, and that is counted before a tile is coded. A first tile
says how many bits each takes. Then tiles are coded once, batch after batch. Each batch has the step with which all that
is left takes the rest of the budget. Where the step leaves nothing of high frequencies, averages of 2 by 2 pixels
stand for a tile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from radcodec.base.normalise import (
    GROUP,
    MAX_STEP,
    MIN_STEP,
    Normalisation,
    pack_codes,
    read_digest,
    tile_spectrum,
)
from radcodec.errors import FormatError, GuaranteeError
from radcodec.runtime.parallel import ordered_map

if TYPE_CHECKING:
    from radcodec.base.lapped.quick import Spectrum
    from radcodec.base.store import SteppedModel

START_STEP, START_POWER = 1.3, -0.42  # first step tried, in units of the noise: times this power of bits a pixel
START_BITS = 5.0  # of a coefficient that is kept, before the first tile is coded: 4.2 to 6.5 were seen
LADDER = 2.0 ** np.linspace(-1.5, 1.5, 13)  # factors of a step at which coefficients are counted
CLIMBS = 4  # ladders that are tried, one at the end of the other
LOOK_TILES = 4
BATCH = 16  # tiles whose coefficients are in memory at a time, at most
BATCHES = 4  # at least, where tiles are many enough
AIM, CLOSE = 0.99, 0.98  # of the budget: what is aimed at, and what is near enough
NEAR = 1.03  # factor between steps up to which the first tile is not coded again
SPREAD = 4  # tiles that are coded again at a time, and how far apart they lie
MOST_CHANGE = 1.6  # of the bytes of tiles that are coded again
FILL_TURNS, TURNS = 5, 16  # in which a budget is filled; in which all tiles come down to it, beside one for each few
AVERAGED_BITS = 0.04  # bits a pixel up to which tiles are coded from averages without a look at full resolution
HIGH_SHARE = 0.01  # of the coefficients that are kept: with fewer at high frequencies averages are as good


@dataclass(frozen=True, slots=True, kw_only=True)
class TileValues:
    """What a preview of a tile is made from: samples [p, h, w], their special ones, offset and scale of each plane."""

    samples: npt.NDArray[Any] = field(repr=False)
    special: npt.NDArray[np.bool_] | None = field(repr=False)
    pairs: Normalisation


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewTile:
    """The streams of all stages of a tile, and a digest of the codes that they stand for; no streams: no picture.

    ``code`` is the block code, ``step`` the step asked for, and ``kept`` the coefficients that it keeps.
    """

    streams: tuple[bytes, ...] = ()
    digest: bytes = b""
    code: int | None = None
    step: float = 0.0
    kept: int = 0

    @property
    def n_bytes(self) -> int:
        """Count the bytes of all streams."""
        return sum(map(len, self.streams))


ReadTile = Callable[[int], TileValues | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A tile that is to be coded: its spectrum, None where it has nothing to show, and a step to start from."""

    tile: int
    spectrum: Spectrum | None = field(repr=False)
    step: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Coder:
    """Codes tiles from all pixels or from averages."""

    model: SteppedModel
    read: ReadTile = field(repr=False)
    threads: int
    averaged: bool

    def parts(self, tiles: Sequence[int], steps: Sequence[float], codes: Sequence[int | None]) -> list[_Part]:
        """Transform tiles; each chooses its block code, but for those that have one in ``codes``."""

        def one(place: int) -> _Part:
            values, spectrum = self.read(tiles[place]), None
            if values is not None:
                spectrum = tile_spectrum(
                    self.model, values.samples, values.special, values.pairs,
                    step=steps[place], code=codes[place], averaged=self.averaged,
                )  # fmt: skip
            return _Part(tile=tiles[place], spectrum=spectrum, step=steps[place])

        return list(ordered_map(one, range(len(tiles)), self.threads))

    def code(self, parts: Sequence[_Part], factor: float) -> list[PreviewTile]:
        """Code and pack tiles at their steps times a factor."""

        def one(part: _Part) -> PreviewTile:
            if part.spectrum is None:
                return PreviewTile()
            step = _within_range(part.step * factor)
            codes = self.model.quick_codes(part.spectrum, step)
            return PreviewTile(
                streams=pack_codes(self.model, codes, self.model.n_stages),
                digest=self.model.digest(codes),
                code=part.spectrum.code,
                step=step,
                kept=int(part.spectrum.kept(np.array([step]))[0]),
            )

        return list(ordered_map(one, parts, self.threads))

    def factor(self, parts: Sequence[_Part], n_bytes: float, bits: float) -> float:
        """Find the factor of steps with which tiles take so many bytes, at so many bits a coefficient."""
        found = [part for part in parts if part.spectrum is not None]
        aim = max(1.0, 8.0 * (n_bytes - self.least_bytes * len(found)) / bits)
        middle = 1.0
        for _ in range(CLIMBS):
            kept = np.zeros(len(LADDER))
            for part in found:
                if part.spectrum is not None:
                    kept += part.spectrum.kept(middle * part.step * LADDER)
            if kept[0] < aim:
                at = LADDER[0]
            elif kept[-1] > aim:
                at = LADDER[-1]
            else:
                logs = np.log(np.maximum(kept[::-1], 0.5))
                return middle * math.exp(float(np.interp(math.log(aim), logs, np.log(LADDER[::-1]))))
            middle *= float(at)
        return middle

    @property
    def least_bytes(self) -> int:
        """Count the bytes of a tile without coefficients: about those of a header and of empty stages."""
        return 5 + self.model.n_stages


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
    every = GROUP if n_tiles >= GROUP**2 else 1
    look = sorted({(2 * place + 1) * n_tiles // (2 * LOOK_TILES) // every * every for place in range(LOOK_TILES)})
    step = _within_range(START_STEP * bits**START_POWER)
    coder, made, step = _look(coder, look, step, budget=budget, n_tiles=n_tiles)
    tiles = _code_rest(coder, n_tiles, step, budget, made)
    return _fill(coder, tiles, budget)


def _within_range(step: float) -> float:
    return min(max(step, MIN_STEP), MAX_STEP)


def _bits_of(tiles: Sequence[PreviewTile], least_bytes: int, default: float) -> float:
    """Return the bits that each coefficient of some tiles takes."""
    kept = sum(tile.kept for tile in tiles)
    n_bytes = sum(tile.n_bytes - least_bytes for tile in tiles if tile.streams)
    return max(1.0, 8.0 * n_bytes / kept) if kept else default


def _look(
    coder: _Coder, look: Sequence[int], step: float, *, budget: int, n_tiles: int
) -> tuple[_Coder, dict[int, PreviewTile], float]:
    """Find how all tiles are to be coded and at which step, and code some that take about their share of the budget."""
    codes: list[int | None] = [None] * len(look)
    steps, aim = [step] * len(look), AIM * budget * len(look) / n_tiles
    parts = coder.parts(look, steps, codes)
    factor = coder.factor(parts, aim, START_BITS)
    spectra = [part.spectrum for part in parts if part.spectrum is not None]
    may_average = not coder.averaged and len(look) < n_tiles and bool(spectra)
    if may_average and max(spectrum.high_share(step * factor) for spectrum in spectra) <= HIGH_SHARE:
        coder = replace(coder, averaged=True)
        parts = coder.parts(look, steps, [None if part.spectrum is None else part.spectrum.code for part in parts])
    first = next((part for part in parts if part.spectrum is not None), parts[0])
    tried = coder.code([first], factor)
    before, factor = factor, coder.factor(parts, aim, _bits_of(tried, coder.least_bytes, START_BITS))
    others = [part for part in parts if part is not first or max(before / factor, factor / before) > NEAR]
    made = dict(zip([part.tile for part in others], coder.code(others, factor), strict=True))
    return coder, {first.tile: tried[0]} | made, _within_range(step * factor)


def _batches(tiles: Sequence[int], every: int) -> list[list[int]]:
    """Divide tiles into batches, each spread over the image.

    Of many tiles, every fourth chooses its block code, and is in the first batches; the next three reuse its choice.
    """
    first = [tile for tile in tiles if every > 1 and tile % every == 0]
    rest = [tile for tile in tiles if every == 1 or tile % every]
    out = [first[at : at + BATCH] for at in range(0, len(first), BATCH)]
    n_batches = max(1, -(-len(rest) // BATCH), min(BATCHES, len(rest) // SPREAD))
    return list(filter(None, [*out, *(rest[place::n_batches] for place in range(n_batches))]))


def _code_rest(
    coder: _Coder, n_tiles: int, step: float, budget: int, made: dict[int, PreviewTile]
) -> list[PreviewTile]:
    """Code the tiles that are not yet made, so that all take about a budget."""
    every, made = GROUP if n_tiles >= GROUP**2 else 1, dict(made)
    recent = list(made.values())
    for batch in _batches([tile for tile in range(n_tiles) if tile not in made], every):
        leaders = [made[tile // every * every].code if every > 1 and tile % every else None for tile in batch]
        parts = coder.parts(batch, [step] * len(batch), leaders)
        left = AIM * budget - sum(tile.n_bytes for tile in made.values())
        share = left * len(batch) / (n_tiles - len(made))
        step = _within_range(step * coder.factor(parts, share, _bits_of(recent, coder.least_bytes, START_BITS)))
        recent = coder.code([replace(part, step=step) for part in parts], 1.0)
        made.update(zip(batch, recent, strict=True))
    return [made[tile] for tile in range(n_tiles)]


def _fill(coder: _Coder, made: list[PreviewTile], budget: int) -> list[PreviewTile] | None:
    """Code as many tiles again, at a coarser or finer step, as it takes to fill a budget; None where that cannot be.

    A few tiles at a time take all of the change, up to a limit.
    """
    order = [tile for first in range(SPREAD) for tile in range(first, len(made), SPREAD) if made[tile].streams]
    groups = [order[at : at + SPREAD] for at in range(0, len(order), SPREAD)]
    size = sum(tile.n_bytes for tile in made)
    for turn in range(TURNS + 2 * len(groups)):
        over, steps = size > budget, {tile.step for tile in made if tile.streams}
        if not over and (size >= CLOSE * budget or steps <= {MIN_STEP} or turn >= FILL_TURNS):
            return made
        if over and steps <= {MAX_STEP}:
            return None
        tiles = groups[turn % len(groups)]
        before = [made[tile] for tile in tiles]
        taken = sum(tile.n_bytes for tile in before)
        aim = min(max(taken + AIM * budget - size, taken / MOST_CHANGE), taken * MOST_CHANGE)
        parts = coder.parts(tiles, [tile.step for tile in before], [tile.code for tile in before])
        factor = coder.factor(parts, aim, _bits_of(before, coder.least_bytes, START_BITS))
        if over and turn >= FILL_TURNS:
            factor = max(factor, MOST_CHANGE)  # whatever was counted
        again = coder.code(parts, factor)
        after = size - taken + sum(tile.n_bytes for tile in again)
        if over or after <= budget:
            made = _replaced(made, tiles, again)
            size = after
    return made if size <= budget else None


def _replaced(made: list[PreviewTile], tiles: Sequence[int], again: Sequence[PreviewTile]) -> list[PreviewTile]:
    """Return all tiles with some of them replaced."""
    new = dict(zip(tiles, again, strict=True))
    return [new.get(tile, made[tile]) for tile in range(len(made))]


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
