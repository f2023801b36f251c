"""What tests watch: which tiles of a file are read to be decoded."""

from __future__ import annotations

from typing import Any

import pytest

from radcodec.container.reader import Reader


def watch_tiles(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """A list that grows by the image and the tile each time that the streams of a tile are read."""
    seen: list[tuple[int, int]] = []
    original = Reader.read_tile

    def read_tile(self: Reader, image: int, tile: int) -> Any:
        seen.append((image, tile))
        return original(self, image, tile)

    monkeypatch.setattr(Reader, "read_tile", read_tile)
    return seen
