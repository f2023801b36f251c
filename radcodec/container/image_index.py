"""Where the streams of the tiles of an image lie in a file (docs/format.md, 5 and 2.4)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate

from radcodec.container.layout import entry_words
from radcodec.container.ranges import ByteRange

MASK, DETAIL, CRC, PIXEL_CRC, STAGES = 0, 1, 2, 3, 4  # numbers of an entry


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageIndex:
    """File offsets of one image's streams; each list has one more item than there are tiles.

    In a late file other bytes may lie between the streams, so ranges are start and size. Where masks lie apart (5.2),
    ``mask_starts`` and ``mask_crcs`` are theirs and a tile starts with its detail stream; elsewhere they are empty.
    """

    words: array[int]
    n_words: int
    tile_starts: array[int]
    stage_starts: tuple[array[int], ...]
    mask_starts: array[int] = field(default_factory=lambda: array("Q"))
    mask_crcs: array[int] = field(default_factory=lambda: array("L"))

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        return len(self.tile_starts) - 1

    def word(self, tile: int, field: int) -> int:
        """Return one number of a tile's entry."""
        return self.words[tile * self.n_words + field]

    def mask_range(self, tile: int) -> ByteRange:
        """Give the range of the mask of a tile."""
        start = (self.mask_starts or self.tile_starts)[tile]
        return start, start + self.word(tile, MASK)

    def tile_range(self, tile: int) -> ByteRange:
        """Give the range of the mask and the detail stream of a tile; of the detail stream where masks lie apart."""
        start = self.tile_starts[tile]
        return start, start + (0 if self.mask_starts else self.word(tile, MASK)) + self.word(tile, DETAIL)

    def stage_range(self, stage: int, tile: int) -> ByteRange:
        """Give the range of a base stream of a tile."""
        start = self.stage_starts[stage][tile]
        return start, start + self.word(tile, STAGES + 2 * stage)


def starts_of(sizes: Iterator[int], start: int) -> array[int]:
    """Return the offsets of consecutive streams, and the end of the last."""
    return array("Q", accumulate(sizes, initial=start))


def masks_apart(index: ImageIndex, mask_crcs: array[int], start: int) -> ImageIndex:
    """Find the masks of an image that lie together from ``start`` (5.2)."""
    sizes = index.words[MASK :: index.n_words]
    return replace(index, mask_starts=starts_of(iter(sizes), start), mask_crcs=mask_crcs)


def stages_apart(words: array[int], tile_starts: array[int], n_stages: int, start: int) -> ImageIndex:
    """Find the streams of an image whose base streams begin at ``start``, stage after stage."""
    n_words = entry_words(n_stages)
    stage_starts: list[array[int]] = []
    for stage in range(n_stages):
        stage_starts.append(starts_of(iter(words[STAGES + 2 * stage :: n_words]), start))
        start = stage_starts[-1][-1]
    return ImageIndex(words=words, n_words=n_words, tile_starts=tile_starts, stage_starts=tuple(stage_starts))


def stages_inside(words: array[int], gaps: array[int], n_stages: int, start: int) -> tuple[ImageIndex, int]:
    """Find the streams of an image of a late file (2.4), tile after tile from ``start``; gives their end too."""
    n_words = entry_words(n_stages)
    tile_starts, stage_starts = array("Q"), [array("Q") for _ in range(n_stages)]
    for tile, gap in enumerate(gaps):
        entry = words[tile * n_words : (tile + 1) * n_words]
        start += gap
        tile_starts.append(start)
        start += entry[MASK] + entry[DETAIL]
        for starts, size in zip(stage_starts, entry[STAGES::2], strict=True):
            starts.append(start)
            start += size
    for starts in (tile_starts, *stage_starts):
        starts.append(start)
    index = ImageIndex(words=words, n_words=n_words, tile_starts=tile_starts, stage_starts=tuple(stage_starts))
    return index, start
