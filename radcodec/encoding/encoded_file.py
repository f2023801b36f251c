"""A file ready to be written, with its warnings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from radcodec.container.packing import Dictionary
from radcodec.container.writer import FileContents, size_bytes, write_file
from radcodec.runtime.resources import load_clean_dictionary, load_header_dictionary
from radcodec.types import Kind

if TYPE_CHECKING:
    from radcodec.base.store import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedFile:
    """A file ready to be written.

    ``model`` is that of its base layer, None where it has none. ``noise``, physical units, was measured beside an
    absolute bound, in the image with the largest one. ``largest_error``, physical units, is that of a lossy file.
    ``clean``: headers are packed with the dictionary from invented ones alone.
    """

    contents: FileContents = field(repr=False)
    model: Model | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()
    noise: float | None = None
    largest_error: float | None = None
    clean: bool = False

    def write_to(self, out: BinaryIO) -> int:
        """Write the file; gives its number of bytes."""
        return write_file(out, self.contents, dictionary=_dictionary_for(self.contents.kind, clean=self.clean))

    def to_bytes(self) -> bytes:
        """Put the file together once from its streams: no buffer grows beside them."""
        pieces = _Pieces()
        self.write_to(pieces)  # type: ignore[arg-type]  # only write() is used
        return b"".join(pieces)


class _Pieces(list[bytes | memoryview]):
    """A stream that keeps what it is given, without a copy."""

    def write(self, data: bytes | memoryview) -> int:
        """Keep some bytes; gives their number."""
        self.append(data)
        return len(data)


def _dictionary_for(kind: Kind, *, clean: bool) -> Dictionary | None:
    """Load the dictionary for headers, which files of kind FITS may use."""
    if kind is not Kind.FITS:
        return None
    return load_clean_dictionary() if clean else load_header_dictionary()


def count_bytes(contents: FileContents, *, clean: bool = False) -> int:
    """Compute the number of bytes that a file will have."""
    return size_bytes(contents, dictionary=_dictionary_for(contents.kind, clean=clean))


def stored_model(model: Model | None) -> tuple[str, bytes] | None:
    """Name a model as META does."""
    return None if model is None else (model.name, bytes.fromhex(model.sha256))
