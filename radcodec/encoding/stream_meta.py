"""What a file of planes that come one after the other says of itself: at its opening, and once the last has come.

The end follows from the opening and the records of the planes alone. So a file that nobody closed ends as one that
was closed after its last plane.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from radcodec.coding.samples import sample_bytes
from radcodec.container.layout import Cursor
from radcodec.container.meta import HduRecord, ImageRecord, Meta
from radcodec.container.records import PlaneRecord
from radcodec.decoding.tile import Pixels
from radcodec.errors import CorruptError, InputError
from radcodec.fits.cards import BLOCK_BYTES
from radcodec.fits.header import cards_after, earlier_bound, insert_cards, provenance_cards
from radcodec.fits.parse import header_facts
from radcodec.limits import MAX_CELL
from radcodec.pixels.bounds import ImageBounds, pack_bounds
from radcodec.pixels.tiles import plane_shape
from radcodec.types import HduKind, Mode
from radcodec.version import VERSION, WRITER

# A bound under this share of what was asked for, in noise, is called by its own share: spacing or a grid lowered it.
_ASKED_SHARE = 0.98


def opening_meta(header: bytes, record: ImageRecord) -> Meta:
    """Make META of a file without planes yet; header and record are those of two tiles along the slowest axis.

    Raises
    ------
    InputError
        If the header is not that of an image.
    """
    return _meta(header, record, restored_sha256=bytes(32), original_header=header)


def _meta(header: bytes, record: ImageRecord, *, restored_sha256: bytes, original_header: bytes) -> Meta:
    facts = header_facts(header, primary=True)
    if facts is None or facts.image is None:
        raise InputError("expected the header of an image, found one that FITS readers take for something else")
    data_bytes = record.n_pixels * record.sample_type.size_bytes
    tail = bytes(-data_bytes % BLOCK_BYTES)
    hdu = HduRecord(
        kind=HduKind.IMAGE,
        name=facts.name,
        note="",
        header_bytes=len(header),
        data_bytes=data_bytes,
        tail_bytes=len(tail),
    )
    return Meta(
        writer=WRITER,
        original_bytes=len(original_header) + data_bytes + len(tail),
        restored_sha256=restored_sha256,
        original_sha256=None,
        model=None,
        images=(record,),
        hdus=(hdu,),
        text=header + tail,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnd:
    """What a file says of itself once the last plane has come; ``bounds`` is block 2 of PARAMS."""

    meta: Meta
    mode: Mode
    bounds: bytes


class StreamTotals:
    """What is to be known of all planes, added up as they come."""

    def __init__(self, opening: Meta, *, provenance: bool) -> None:
        self._opening = opening
        self._record = opening.images[0]
        self._provenance = provenance
        self._digest = hashlib.sha256()
        self._bounds = bytearray()
        self._cell = 0
        self._largest = self._noise = 0.0
        self.n_frames = 0

    def add(self, record: PlaneRecord, restored: Pixels) -> None:
        """Add planes, with their samples [P, H, W] as they are restored.

        Raises
        ------
        CorruptError
            If their bounds are not of the form that those of this image have.
        """
        values = self._bounds_of(record, len(restored))
        self._digest.update(sample_bytes(restored, ">"))
        self.n_frames += record.n_frames
        largest = float(values.max(initial=0.0))
        if largest > self._largest:
            self._largest, self._noise = largest, record.noise
        self._bounds += values.tobytes()

    def _bounds_of(self, record: PlaneRecord, n_planes: int) -> np.ndarray[tuple[int], np.dtype[np.floating]]:
        """Read the bounds of planes: E of each, or of each of its cells."""
        _, height, width = plane_shape(self._record.shape)
        cursor = Cursor(record.bounds, "the bounds of planes")
        if self._record.bound is None:
            cursor.end()
            return np.empty(0, "<f8")
        dtype, count = "<f8", n_planes
        if self._record.has_step_map:
            cell = cursor.leb_up_to(MAX_CELL, "cell size")
            if cell < 1 or self._cell not in (0, cell):
                raise CorruptError(f"expected cells of one size in the bounds of all planes, found {cell}")
            self._cell = cell
            dtype, count = "<f4", n_planes * -(-height // cell) * -(-width // cell)
        values = np.frombuffer(cursor.take(count * np.dtype(dtype).itemsize), dtype)
        cursor.end()
        if not np.isfinite(values).all() or (values < 0).any():
            raise CorruptError("expected bounds that are finite and not negative")
        return values

    def end(self) -> StreamEnd:
        """Make what the file says of itself with the planes so far, at least one."""
        shape = (self.n_frames, *self._record.shape[1:])
        record = replace(self._record, shape=shape)
        plain = self._opening.text[: self._opening.hdus[0].header_bytes]
        plain = insert_cards(plain, [(f"NAXIS{len(shape)}", self.n_frames, "")])
        bounded, bounds = self._largest > 0, b""
        if bounded:
            record, bounds = self._bounded_record(record), self._packed_bounds()
        else:
            record = replace(record, bound=None, bound_sigma=0.0, sigma=None, has_step_map=False, dither_seed=None)
        header = self._with_provenance(plain, record) if bounded and self._provenance else plain
        data_bytes = record.n_pixels * record.sample_type.size_bytes
        digest = self._digest.copy()
        digest.update(header + bytes(-data_bytes % BLOCK_BYTES))
        meta = _meta(header, record, restored_sha256=digest.digest(), original_header=plain)
        return StreamEnd(meta=meta, mode=Mode.BOUNDED if bounded else Mode.LOSSLESS, bounds=bounds)

    def _bounded_record(self, record: ImageRecord) -> ImageRecord:
        """Say the largest bound, and the noise that it was made from."""
        asked, noise = record.bound_sigma, self._noise
        if not asked or not noise:
            return replace(record, bound=self._largest, sigma=None)
        share = asked if self._largest > _ASKED_SHARE * asked * noise else self._largest / noise
        return replace(record, bound=self._largest, bound_sigma=share, sigma=noise)

    def _packed_bounds(self) -> bytes:
        """Pack the bounds of all planes; nothing where one number holds for all."""
        _, height, width = plane_shape(self._record.shape)
        if self._record.has_step_map:
            cells = np.frombuffer(self._bounds, "<f4").reshape(-1, -(-height // self._cell), -(-width // self._cell))
            return pack_bounds(ImageBounds(cell=self._cell, cells=cells))
        planes = np.frombuffer(self._bounds, "<f8")
        return b"" if bool((planes == self._largest).all()) else pack_bounds(ImageBounds(planes=planes))

    def _with_provenance(self, header: bytes, record: ImageRecord) -> bytes:
        earlier = earlier_bound(header)
        cards = provenance_cards(
            mode=Mode.BOUNDED,
            bound=record.bound,
            unit=record.unit,
            sigma=record.sigma,
            model_name=None,
            model_sha256=None,
            version=VERSION,
        )
        return insert_cards(header, cards if earlier is None else cards_after(cards, earlier, record.unit))
