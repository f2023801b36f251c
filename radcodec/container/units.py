"""List the header and data units of an open file, with the bytes and the image or data of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from radcodec.container.meta import HduRecord
from radcodec.container.reader import Reader
from radcodec.types import HduKind


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredUnit:
    """One header and data unit of a file of kind FITS.

    ``header`` and ``tail`` are its bytes, padding included. ``image`` is the number of its image. It is None for a unit
    without pixels, whose data are the range ``extra`` of EXTRA.
    """

    number: int
    record: HduRecord
    header: bytes = field(repr=False)
    tail: bytes = field(repr=False)
    image: int | None
    extra: slice


def iter_units(reader: Reader) -> Iterator[StoredUnit]:
    """Walk over the header and data units of a file, in order; none for a file of kind array."""
    text = memoryview(reader.meta.text)
    position = extra_start = image = 0
    for number, record in enumerate(reader.meta.hdus):
        is_image = record.kind is HduKind.IMAGE
        end = position + record.header_bytes
        yield StoredUnit(
            number=number,
            record=record,
            header=bytes(text[position:end]),
            tail=bytes(text[end : end + record.tail_bytes]),
            image=image if is_image else None,
            extra=slice(extra_start, extra_start + (0 if is_image else record.data_bytes)),
        )
        position = end + record.tail_bytes
        if is_image:
            image += 1
        else:
            extra_start += record.data_bytes
