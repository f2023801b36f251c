"""The size of a file is computed from the sizes of its streams, without writing it."""

from __future__ import annotations

import io
import itertools

import pytest

from radcodec.container.layout import file_bytes
from radcodec.container.meta import ImageRecord, Meta, ParamBlocks
from radcodec.container.writer import FileContents, TileStreams, size_bytes, write_file
from radcodec.types import Kind, Mode, SampleType

LENGTHS = (0, 1, 127, 128, 300, 16384)  # either side of where a LEB128 number takes one more byte


def contents(mask: int, detail: int, stages: tuple[int, ...], predictors: int) -> FileContents:
    """The parts of an array of one tile, whose streams have these lengths."""
    record = ImageRecord(sample_type=SampleType.F4, shape=(3, 4), sides=(3, 4), n_stages=len(stages))
    meta = Meta(
        writer="test",
        original_bytes=48,
        restored_sha256=bytes(range(32)),
        original_sha256=None,
        model=("m", bytes(32)) if stages else None,
        images=(record,),
        hdus=(),
        text=b"",
    )
    tile = TileStreams(mask=bytes(mask), detail=bytes(detail), stages=tuple(map(bytes, stages)))
    params = ParamBlocks(predictors=bytes(range(256)) * (predictors // 256) + bytes(predictors % 256))
    return FileContents(kind=Kind.ARRAY, mode=Mode.LOSSLESS, meta=meta, params=[params], tiles=[[tile]])


@pytest.mark.parametrize(("mask", "detail"), [*itertools.product(LENGTHS, LENGTHS)])
@pytest.mark.parametrize("stages", [(), (1,), (200, 0), (0, 0), (16384, 5, 127)])
def test_size_is_that_of_the_written_file(mask: int, detail: int, stages: tuple[int, ...]) -> None:
    """For streams of any length, with and without base stages, the computed size is that of what is written."""
    parts = contents(mask, detail, stages, predictors=mask % 257)
    out = io.BytesIO()
    write_file(out, parts)
    assert size_bytes(parts) == len(out.getvalue())


def test_size_of_a_file_by_hand() -> None:
    """8 + 5 bytes start a file; then come 6 sizes, CRCs of the sections that are there, a CRC and the trailer."""
    # Only META: 13 + 6 sizes of a byte + 2 CRCs, the section, and a trailer of 4.
    assert file_bytes((10, 0, 0, 0, 0, 0)) == 13 + 6 + 8 + 10 + 4
    # META, PARAMS, INDEX and EXTRA have a CRC each; 128 and more take two bytes as a size, 16384 and more three.
    assert file_bytes((200, 1, 1, 128, 16384, 1)) == 13 + (2 + 1 + 1 + 2 + 3 + 1) + 5 * 4 + 16715 + 4
