"""How many base stages a file keeps: as many as fit into a share of it, or into a number of bytes."""

from __future__ import annotations

from collections.abc import Sequence

from radcodec.container.layout import entry_bytes

# Sizes in bytes of the stream of every stage of one tile.
StageSizes = Sequence[int]


def n_leading(sizes: StageSizes) -> int:
    """Number of stages before the first empty one."""
    return next((stage for stage, size in enumerate(sizes) if not size), len(sizes))


def preview_stages(tiles: Sequence[StageSizes], *, other_bytes: int, fixed_bytes: int, percent: float) -> int:
    """The largest number of stages that takes at most ``percent`` of a file; 0 where not even one does.

    Parameters
    ----------
    tiles
        Sizes of all tiles of all images.
    other_bytes
        Everything in the file that is not the base layer.
    fixed_bytes
        What a base layer of any number of stages adds beside its streams and index entries.
    """
    best = 0
    for n_stages in range(1, max(map(len, tiles), default=0) + 1):
        streams = sum(sum(sizes[:n_stages]) for sizes in tiles)
        base = streams + fixed_bytes + len(tiles) * (entry_bytes(n_stages) - entry_bytes(0))
        if streams and 100 * base <= percent * (other_bytes + base):
            best = n_stages
    return best


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
