"""Arithmetic of base stages: how many fit into a share of a file or into a number of bytes."""

from __future__ import annotations

from collections.abc import Sequence

from radcodec.container.layout import entry_bytes

# Sizes in bytes of the stream of every stage of one tile.
StageSizes = Sequence[int]


def n_leading(sizes: StageSizes) -> int:
    """Count the stages before the first empty one."""
    return next((stage for stage, size in enumerate(sizes) if not size), len(sizes))


def fits_preview(tiles: Sequence[StageSizes], *, other_bytes: int, fixed_bytes: int, percent: float) -> bool:
    """Say whether all of these stages take at most ``percent`` of the file, and hold anything at all.

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
    """Count how many of its first ``n_stages`` stages each tile keeps so that the streams fit.

    None where one stage of each tile does not fit. Coarse stages of all tiles come before finer ones. Within a stage
    the tiles that need most bytes come first, as most is in them. Tiles without a base layer keep 0.
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
