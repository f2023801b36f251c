"""Whole files restored and their SHA-256 checked: the array of a file of kind array, FITS files piece by piece."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from radcodec.coding.samples import iter_sample_bytes
from radcodec.container.reader import Reader
from radcodec.container.units import iter_units
from radcodec.decoding.image import StoredImage, decode_image, iter_slabs, open_image
from radcodec.decoding.tile import Pixels, pixel_sha256
from radcodec.errors import CorruptError, InputError
from radcodec.runtime.scratch import Scratch
from radcodec.types import Kind, Mode

if TYPE_CHECKING:
    from radcodec.base.store import Model

_PIECE_BYTES = 1 << 24  # of what is handed on at once: a writer may keep a copy


def decode_array(reader: Reader, threads: int, scratch: Scratch | None = None) -> Pixels:
    """Decode the one image of a file of kind array to stored samples and check its SHA-256 (3.3).

    They lie in memory of their own, or in that of ``scratch`` if given.
    """
    image = open_image(reader, 0)
    samples = decode_image(image, threads, scratch)
    _check_unused_base(image)
    _check_digest(reader, pixel_sha256(samples, reader.meta.image_records[0]))
    return samples


def check_array(reader: Reader, threads: int, model: Model | None = None) -> None:
    """Decode the one image of a file of kind array, a few tiles at a time, and check its SHA-256 (3.3).

    Raises
    ------
    CorruptError
        If the SHA-256 differs; other errors as `decode_tile`.
    """
    digest = hashlib.sha256()
    image = open_image(reader, 0, model)
    for _, slab in iter_slabs(image, threads):
        for piece in iter_sample_bytes(slab, "<"):
            digest.update(piece)
    _check_unused_base(image)
    digest.update(reader.meta.image_records[0])
    _check_digest(reader, digest.digest())


def _check_unused_base(image: StoredImage) -> None:
    """Raise CorruptError if the checksum of a base stream that no sample needed does not hold."""
    if image.reader.prelude.mode is not Mode.LOSSY and not image.coding.record.on_base:
        image.reader.check_base(image.number)


def _check_digest(reader: Reader, found: bytes) -> None:
    """Raise CorruptError if what was restored is not what META says."""
    if not reader.is_base_only and found[: len(reader.meta.restored_sha256)] != reader.meta.restored_sha256:
        raise CorruptError(
            f"expected the SHA-256 {reader.meta.restored_sha256.hex()} of what is restored, found {found.hex()}: "
            "the file is damaged"
        )


def iter_fits_bytes(reader: Reader, threads: int, model: Model | None = None) -> Iterator[bytes | memoryview]:
    """Restore a FITS file in pieces, in order; raises CorruptError at the end where its SHA-256 differs."""
    digest, is_late = hashlib.sha256(), reader.prelude.is_late
    for piece, is_text in _fits_pieces(reader, threads, model):
        if not (is_late and is_text):
            digest.update(piece)
        yield piece
    if is_late:  # its headers are known last (2.4)
        digest.update(reader.meta.text)
    _check_digest(reader, digest.digest())


def _fits_pieces(reader: Reader, threads: int, model: Model | None) -> Iterator[tuple[bytes | memoryview, bool]]:
    """Restore a FITS file in pieces, in order, and say of each whether it is of a header or a tail."""
    extra = memoryview(reader.read_extra())
    for unit in iter_units(reader):
        yield unit.header, True
        if unit.image is not None:
            image = open_image(reader, unit.image, model)
            for _, slab in iter_slabs(image, threads):
                yield from ((piece, False) for piece in iter_sample_bytes(slab, ">"))
            _check_unused_base(image)
        else:
            data = extra[unit.extra]
            yield from ((data[at : at + _PIECE_BYTES], False) for at in range(0, len(data), _PIECE_BYTES))
        yield unit.tail, True


def decode_fits_to(
    reader: Reader, out: BinaryIO, threads: int, *, progress: Callable[[int], None] | None = None
) -> int:
    """Restore a FITS file and write it to ``out`` piece by piece; gives its number of bytes.

    ``progress`` gets the number of bytes done since its last call.

    Raises
    ------
    InputError
        If the file holds an array.
    FormatError, ModelError
        As `decode_tile`; also where the SHA-256 of the whole differs, so ``out`` must be thrown away then.
    """
    if reader.prelude.kind is not Kind.FITS:
        raise InputError("expected a file of kind FITS, found an array")
    total = 0
    for piece in iter_fits_bytes(reader, threads):
        out.write(piece)
        total += len(piece)
        if progress is not None:
            progress(len(piece))
    return total
