"""Pack and unpack META, the records of images and units (``docs/format.md`` section 3), and the PARAMS framing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from radcodec import limits
from radcodec.coding.leb import pack_leb
from radcodec.container.layout import (
    SHA256_BYTES,
    SHORT_HASH_BYTES,
    Cursor,
    member_of,
    pack_f8,
    pack_i8,
    pack_str,
    pack_u8,
)
from radcodec.container.tile_sides import Sides, pack_sides, unpack_sides
from radcodec.errors import CorruptError, LimitError
from radcodec.types import HduKind, Kind, SampleType

BOUNDED, STEP_MAP, DITHER, _SCALED, _BLANK, SIGMA, _ON_BASE = (1 << bit for bit in range(7))
_ALL_FLAGS = (1 << 7) - 1
_NEED_BOUND = STEP_MAP | DITHER | SIGMA
_BLOCK_BYTES = 2880  # of FITS
_BLOCKS_AN_IMAGE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """One image (3.1). ``bound`` is E in physical units, None if every pixel is exact or the mode is lossy.

    ``sides`` are those of its tiles, slowest axis first. ``on_base``: the detail streams hold the difference from the
    base layer.
    """

    sample_type: SampleType
    shape: tuple[int, ...]
    sides: Sides
    n_stages: int = 0
    bound: float | None = None
    bound_sigma: float = 0.0
    has_step_map: bool = False
    sigma: float | None = None
    bscale: float = 1.0
    bzero: float = 0.0
    blank: int | None = None
    dither_seed: int | None = None
    unit: str = ""
    on_base: bool = False

    @property
    def n_pixels(self) -> int:
        """Number of samples."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class HduRecord:
    """One header and data unit (3.2)."""

    kind: HduKind
    name: str
    note: str
    header_bytes: int
    data_bytes: int
    tail_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """All of META (3). ``image_records`` are the images' bytes as stored, for the pixel CRCs.

    In a short file (2.6) ``restored_sha256`` and the model's hash are the first 8 bytes, and names are empty.
    """

    writer: str
    original_bytes: int
    restored_sha256: bytes
    original_sha256: bytes | None
    model: tuple[str, bytes] | None
    images: tuple[ImageRecord, ...]
    hdus: tuple[HduRecord, ...]
    text: bytes
    image_records: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamBlocks:
    """The three blocks of one image in PARAMS (6.2), still packed."""

    base: bytes = b""
    bounds: bytes = b""
    predictors: bytes = b""


def pack_image_record(record: ImageRecord) -> bytes:
    """Pack an image record; equal records give equal bytes."""
    scaled = record.bscale != 1.0 or record.bzero != 0.0
    flags = (
        (BOUNDED if record.bound is not None else 0)
        | (STEP_MAP if record.has_step_map else 0)
        | (DITHER if record.dither_seed is not None else 0)
        | (_SCALED if scaled else 0)
        | (_BLANK if record.blank is not None else 0)
        | (SIGMA if record.sigma is not None else 0)
        | (_ON_BASE if record.on_base else 0)
    )
    parts = [bytes([record.sample_type]), pack_leb(len(record.shape)), *map(pack_leb, record.shape)]
    parts += [pack_sides(record.shape, record.sides), bytes([record.n_stages, flags])]
    if record.bound is not None:
        parts += [pack_f8(record.bound), pack_f8(record.bound_sigma)]
    if record.sigma is not None:
        parts.append(pack_f8(record.sigma))
    if scaled:
        parts += [pack_f8(record.bscale), pack_f8(record.bzero)]
    if record.blank is not None:
        parts.append(pack_i8(record.blank))
    if record.dither_seed is not None:
        parts.append(pack_u8(record.dither_seed))
    return b"".join([*parts, pack_str(record.unit)])


def _unpack_shape(cursor: Cursor) -> tuple[int, ...]:
    n_axes = cursor.leb_up_to(limits.MAX_AXES, "number of axes")
    shape = tuple(cursor.leb_up_to(limits.MAX_PIXELS, "length of an axis") for _ in range(n_axes))
    # Zeros count as ones here, so that 0 x 2^47 x 2^47 is refused and no product below overflows.
    if math.prod(length for length in shape if length) > limits.MAX_PIXELS:
        raise LimitError(f"expected at most {limits.MAX_PIXELS} pixels in an image, found the axes {shape[:8]}")
    return shape


def _check_flags(flags: int, sample_type: SampleType, shape: tuple[int, ...], n_stages: int, kind: Kind) -> None:
    """Raise CorruptError if the flags of an image record do not go with the rest of it (3.1)."""
    bounded = bool(flags & BOUNDED)
    if flags & ~_ALL_FLAGS or (flags & _NEED_BOUND and not bounded):
        raise CorruptError(f"expected a valid set of flags in an image record, found {flags:#x}")
    if flags & _ON_BASE and not (bounded and n_stages):
        raise CorruptError("expected details on the base only in a bounded image with base stages")
    if flags & _BLANK and sample_type.is_float:
        raise CorruptError("expected BLANK only in an image of integers, found it in one of floats")
    if flags & (_SCALED | _BLANK) and kind is Kind.ARRAY:
        raise CorruptError("expected no scaling and no BLANK in a file of kind array, found them")
    if 0 in shape and (bounded or n_stages):
        raise CorruptError("expected neither bound nor base stages for an image without samples, found them")


def _unpack_scaling(cursor: Cursor) -> tuple[float, float]:
    scaling = cursor.finite("BSCALE"), cursor.finite("BZERO")
    if scaling == (1.0, 0.0):
        raise CorruptError("expected a stored scaling other than BSCALE 1 and BZERO 0, found these")
    return scaling


def _unpack_blank(cursor: Cursor, sample_type: SampleType) -> int:
    blank, bits = cursor.i8(), 8 * sample_type.size_bytes
    least = 0 if sample_type.name[0] == "U" else -(1 << (bits - 1))
    if not least <= blank < least + (1 << bits):
        raise CorruptError(f"expected a BLANK that {sample_type.dtype_str} holds, found {blank}")
    return blank


def unpack_image_record(cursor: Cursor, kind: Kind = Kind.FITS) -> ImageRecord:
    """Read an image record; raises CorruptError or LimitError if a field is out of range."""
    sample_type = member_of(SampleType, cursor.u1(), "the sample type")
    shape = _unpack_shape(cursor)
    sides = unpack_sides(cursor, shape)
    n_stages, flags = cursor.u1(), cursor.u1()
    if n_stages > limits.MAX_STAGES:
        raise LimitError(f"expected at most {limits.MAX_STAGES} base stages, found {n_stages}")
    _check_flags(flags, sample_type, shape, n_stages, kind)
    bounded = bool(flags & BOUNDED)
    bound = cursor.finite("bound", above=0.0) if bounded else None
    bound_sigma = cursor.finite("bound in sigma") if bounded else 0.0
    if bound_sigma < 0:
        raise CorruptError(f"expected a bound in sigma of at least 0, found {bound_sigma}")
    sigma = cursor.finite("noise", above=0.0) if flags & SIGMA else None
    bscale, bzero = _unpack_scaling(cursor) if flags & _SCALED else (1.0, 0.0)
    return ImageRecord(
        sample_type=sample_type,
        shape=shape,
        sides=sides,
        n_stages=n_stages,
        bound=bound,
        bound_sigma=bound_sigma,
        has_step_map=bool(flags & STEP_MAP),
        sigma=sigma,
        bscale=bscale,
        bzero=bzero,
        blank=_unpack_blank(cursor, sample_type) if flags & _BLANK else None,
        dither_seed=cursor.u8() if flags & DITHER else None,
        unit=cursor.text(),
        on_base=bool(flags & _ON_BASE),
    )


def pack_hdu_record(record: HduRecord) -> bytes:
    """Pack an HDU record."""
    sizes = (record.header_bytes, record.data_bytes, record.tail_bytes)
    return bytes([record.kind]) + pack_str(record.name) + pack_str(record.note) + b"".join(map(pack_leb, sizes))


def unpack_hdu_record(cursor: Cursor) -> HduRecord:
    """Read an HDU record; raises CorruptError or LimitError."""
    return HduRecord(
        kind=member_of(HduKind, cursor.u1(), "the kind of an HDU"),
        name=cursor.text(),
        note=cursor.text(),
        header_bytes=cursor.leb_up_to(limits.MAX_META_BYTES, "header bytes"),
        data_bytes=cursor.leb_up_to(limits.MAX_SECTION_BYTES, "data bytes"),
        tail_bytes=cursor.leb_up_to(limits.MAX_META_BYTES, "tail bytes"),
    )


def pack_meta(meta: Meta) -> bytes:
    """Pack META, before compression."""
    parts = [pack_str(meta.writer), pack_leb(meta.original_bytes), meta.restored_sha256]
    parts += [b"\0"] if meta.original_sha256 is None else [b"\1", meta.original_sha256]
    parts += [b"\0"] if meta.model is None else [b"\1", pack_str(meta.model[0]), meta.model[1]]
    parts += [pack_leb(len(meta.images)), *map(pack_image_record, meta.images)]
    parts += [pack_leb(len(meta.hdus)), *map(pack_hdu_record, meta.hdus), meta.text]
    return b"".join(parts)


def pack_short_meta(meta: Meta) -> bytes:
    """Pack META of a short file (2.6): of hashes the first bytes alone."""
    model = b"" if meta.model is None else meta.model[1]
    hashes = (meta.restored_sha256, model)
    return b"".join([*(one[:SHORT_HASH_BYTES] for one in hashes), pack_image_record(meta.images[0])])


def array_meta(image: ImageRecord, record: bytes, restored: bytes, model: tuple[str, bytes] | None = None) -> Meta:
    """Make and check META of a short or compact file, which leaves out the writer and what the image says."""
    meta = Meta(
        writer="",
        original_bytes=image.n_pixels * image.sample_type.size_bytes,
        restored_sha256=restored,
        original_sha256=None,
        model=model,
        images=(image,),
        hdus=(),
        text=b"",
        image_records=(record,),
    )
    _check_meta(meta, Kind.ARRAY)
    return meta


def unpack_short_meta(data: bytes) -> Meta:
    """Read and check META of a short file (2.6).

    Raises
    ------
    CorruptError, LimitError
        If a field is out of its range.
    """
    cursor = Cursor(data, "META")
    restored, model = cursor.take(SHORT_HASH_BYTES), cursor.take(SHORT_HASH_BYTES)
    start = cursor.position
    image = unpack_image_record(cursor, Kind.ARRAY)
    record = cursor.since(start)
    cursor.end()
    return array_meta(image, record, restored, ("", model))


def _check_meta(meta: Meta, kind: Kind) -> None:
    """Raise CorruptError if the records do not fit together."""
    if kind is Kind.ARRAY and (len(meta.images) != 1 or meta.hdus or meta.text):
        raise CorruptError(
            f"expected one image and no HDU in a file of kind array, found {len(meta.images)} and {len(meta.hdus)}"
        )
    if any(image.n_stages for image in meta.images) != (meta.model is not None):
        raise CorruptError("expected a model name exactly if there are base stages, found one without the other")
    if meta.original_sha256 is not None and (kind is Kind.ARRAY or meta.original_sha256 == meta.restored_sha256):
        raise CorruptError("expected the SHA-256 of the original only if it differs from that of the restored file")
    if kind is Kind.ARRAY:
        n_bytes = meta.images[0].n_pixels * meta.images[0].sample_type.size_bytes
        if meta.original_bytes != n_bytes:
            raise CorruptError(
                f"expected an original of {n_bytes} bytes, as its record says, found {meta.original_bytes}"
            )
        return
    units = [hdu for hdu in meta.hdus if hdu.kind is HduKind.IMAGE]
    if len(units) != len(meta.images):
        raise CorruptError(f"expected as many image records as image HDUs, found {len(meta.images)} and {len(units)}")
    for image, unit in zip(meta.images, units, strict=True):
        if image.n_pixels == 0 or unit.data_bytes != image.n_pixels * image.sample_type.size_bytes:
            raise CorruptError(f"expected {unit.data_bytes} bytes in an image HDU, its record has {image.shape}")
    text_bytes = sum(hdu.header_bytes + hdu.tail_bytes for hdu in meta.hdus)
    if text_bytes != len(meta.text):
        raise CorruptError(f"expected {text_bytes} bytes of header text, found {len(meta.text)}")


def _unpack_hdus(cursor: Cursor) -> list[HduRecord]:
    """Read the HDU records; raises CorruptError before a few bytes can declare many of them."""
    n_hdus = cursor.leb_up_to(limits.MAX_HDUS, "number of HDUs")
    hdus: list[HduRecord] = []
    text_bytes = 0
    for number in range(n_hdus):
        hdu = unpack_hdu_record(cursor)
        text_bytes += hdu.header_bytes + hdu.tail_bytes
        if text_bytes > cursor.left:
            raise CorruptError(f"expected {text_bytes} bytes or more of header text, found at most {cursor.left}")
        if number < n_hdus - 1 and (hdu.header_bytes == 0 or hdu.header_bytes % _BLOCK_BYTES):
            raise CorruptError(f"expected a header of blocks of {_BLOCK_BYTES} bytes, found one of {hdu.header_bytes}")
        hdus.append(hdu)
    return hdus


def unpack_meta(data: bytes, kind: Kind, *, most_images: int = limits.MAX_HDUS) -> Meta:
    """Read and check META of a file of that kind; INDEX has room for ``most_images`` images.

    Raises
    ------
    CorruptError, LimitError
        If a field is out of its range or the records do not fit together.
    """
    cursor = Cursor(data, "META")
    writer, original_bytes, restored = cursor.text(), cursor.leb(), cursor.take(SHA256_BYTES)
    original = cursor.take(SHA256_BYTES) if cursor.flag() else None
    model = (cursor.text(), cursor.take(SHA256_BYTES)) if cursor.flag() else None
    images: list[ImageRecord] = []
    records: list[bytes] = []
    for _ in range(cursor.leb_up_to(most_images, "number of images")):
        start = cursor.position
        images.append(unpack_image_record(cursor, kind))
        records.append(cursor.since(start))
    hdus = _unpack_hdus(cursor)
    meta = Meta(
        writer=writer,
        original_bytes=original_bytes,
        restored_sha256=restored,
        original_sha256=original,
        model=model,
        images=tuple(images),
        hdus=tuple(hdus),
        text=cursor.take(cursor.left),
        image_records=tuple(records),
    )
    _check_meta(meta, kind)
    return meta


def pack_params(blocks: Sequence[ParamBlocks], *, short: bool = False) -> bytes:
    """Pack PARAMS, before compression; a short file (2.6) has no bounds."""
    parts: list[bytes] = []
    for image in blocks:
        for block in (image.base, image.predictors) if short else (image.base, image.bounds, image.predictors):
            parts += [pack_leb(len(block)), block]
    return b"".join(parts)


def unpack_short_params(data: bytes) -> tuple[ParamBlocks, ...]:
    """Read the blocks of the image of a short file (2.6); raises CorruptError if they do not fill PARAMS exactly."""
    cursor = Cursor(data, "PARAMS")
    base, predictors = (cursor.take(cursor.leb()) for _ in range(2))
    cursor.end()
    return (ParamBlocks(base=base, predictors=predictors),)


def unpack_params(data: bytes, n_images: int) -> tuple[ParamBlocks, ...]:
    """Read each image's blocks; raises CorruptError if they do not fill PARAMS exactly or must be absent."""
    cursor = Cursor(data, "PARAMS")
    images: list[ParamBlocks] = []
    for _ in range(n_images):
        base, bounds, predictors = (cursor.take(cursor.leb()) for _ in range(_BLOCKS_AN_IMAGE))
        images.append(ParamBlocks(base=base, bounds=bounds, predictors=predictors))
    cursor.end()
    return tuple(images)
