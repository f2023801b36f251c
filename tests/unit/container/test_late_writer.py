"""Late files written tile by tile."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import numpy.typing as npt
import pytest
import reference_decoder as ref

import radcodec
from radcodec.container.late_writer import LateWriter, pack_opening
from radcodec.container.meta import HduRecord, ImageRecord, Meta
from radcodec.container.records import PlaneRecord
from radcodec.container.writer import TileStreams
from radcodec.decoding.rcz_file import RczFile
from radcodec.decoding.tile import pixel_crc
from radcodec.errors import TruncatedError
from radcodec.types import HduKind, Mode, SampleType


def _header(planes: int) -> bytes:
    cards = ["SIMPLE  =                    T", "BITPIX  =                   16", "NAXIS   =                    3"]
    cards += [f"NAXIS{n}  = {value:>20}" for n, value in ((1, 5), (2, 4), (3, planes))]
    return "".join(card.ljust(80) for card in [*cards, "END"]).encode().ljust(2880)


def _meta(planes: int, data: bytes = b"") -> Meta:
    tail = bytes(-len(data) % 2880)
    record = ImageRecord(sample_type=SampleType.I2, shape=(planes, 4, 5), sides=(1, 4, 5))
    hdu = HduRecord(
        kind=HduKind.IMAGE,
        name="PRIMARY",
        note="",
        header_bytes=2880,
        data_bytes=40 * planes,
        tail_bytes=len(tail),
    )
    text = _header(planes) + tail
    digest = hashlib.sha256(data + text).digest() if data else bytes(32)
    return Meta(
        writer="test",
        original_bytes=2880 + 40 * planes + len(tail),
        restored_sha256=digest,
        original_sha256=None,
        model=None,
        images=(record,),
        hdus=(hdu,),
        text=text,
    )


def _tile(number: int, plane: npt.NDArray[np.int16]) -> TileStreams:
    """A tile of one plane stored as it is (method 0)."""
    crc = pixel_crc(SampleType.I2, number, plane[None])
    return TileStreams(detail=b"\0" + plane.astype("<i2").tobytes(), pixel_crc=crc)


def _planes(count: int) -> npt.NDArray[np.int16]:
    return np.random.default_rng(1).integers(-9, 9, (count, 4, 5)).astype("i2")


def test_planes_appended_to_a_late_file_come_back() -> None:
    """A file written plane by plane is one that the library and the reference decoder read."""
    planes, out = _planes(3), io.BytesIO()
    writer = LateWriter(out, pack_opening(_meta(2), provenance=True), Mode.LOSSLESS)
    for number, plane in enumerate(planes):
        writer.append(PlaneRecord(n_frames=1), [_tile(number, plane)])
        with pytest.raises(TruncatedError, match="radcodec recover"):
            RczFile(out.getvalue())
    data = planes.astype(">i2").tobytes()
    before = out.getvalue()
    assert writer.close(_meta(3, data), Mode.LOSSLESS) == len(out.getvalue())
    assert out.getvalue()[76 : len(before)] == before[76:]  # closing changes no byte of the tiles
    expected = _header(3) + data + bytes(-len(data) % 2880)
    assert ref.decode_file(out.getvalue()) == expected
    with RczFile(out.getvalue()) as file:
        np.testing.assert_array_equal(file[:], planes)
        assert sum(layer["bytes"] for layer in file.info.layers) == len(out.getvalue())
    radcodec.verify(io.BytesIO(out.getvalue()))


def test_a_full_disk_leaves_the_planes_before() -> None:
    """A plane that does not fit is taken back, so that the file goes on where it was."""

    class Full(io.BytesIO):
        room = 1 << 20

        def write(self, data: object) -> int:
            view = memoryview(data)  # type: ignore[arg-type]
            if len(view) > self.room:
                super().write(view[: self.room // 2])
                raise OSError(28, "no space left")
            return super().write(view)

    planes, out = _planes(2), Full()
    writer = LateWriter(out, pack_opening(_meta(2), provenance=True), Mode.LOSSLESS)
    writer.append(PlaneRecord(n_frames=1), [_tile(0, planes[0])])
    before, out.room = out.getvalue(), 50
    with pytest.raises(OSError, match="no space left"):
        writer.append(PlaneRecord(n_frames=1), [_tile(1, planes[1])])
    assert out.getvalue() == before
    out.room = 1 << 20
    writer.append(PlaneRecord(n_frames=1), [_tile(1, planes[1])])
    writer.close(_meta(2, planes.astype(">i2").tobytes()), Mode.LOSSLESS)
    radcodec.verify(io.BytesIO(out.getvalue()))
