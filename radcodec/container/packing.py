"""META and PARAMS as they are stored: as they are, as a zstandard frame, or as one made with the header dictionary."""

from __future__ import annotations

from radcodec.container.layout import SHA256_BYTES, Cursor
from radcodec.errors import CorruptError, ModelNotFoundError
from radcodec.leb import pack_leb
from radcodec.limits import MAX_META_BYTES
from radcodec.zstd import pack_frame, unpack_frame

_PLAIN, _ZSTD, _ZSTD_DICTIONARY = 0, 1, 2

# Content and SHA-256 of a zstandard dictionary.
Dictionary = tuple[bytes, bytes]


def pack_section(raw: bytes, dictionary: Dictionary | None = None) -> bytes:
    """The smallest stored form of a section; of two equal ones the simpler."""
    size = pack_leb(len(raw))
    forms = [bytes([_PLAIN]) + raw, bytes([_ZSTD]) + size + pack_frame(raw)]
    if dictionary is not None:
        content, sha256 = dictionary
        forms.append(bytes([_ZSTD_DICTIONARY]) + size + sha256 + pack_frame(raw, dictionary=content))
    return min(forms, key=len)


def unpack_section(stored: bytes, what: str, *, dictionary: Dictionary | None = None, may_share: bool = False) -> bytes:
    """What a stored section holds.

    Parameters
    ----------
    dictionary
        The one that is installed, None where there is none.
    may_share
        Whether this section may have been made with a dictionary (META only).

    Raises
    ------
    CorruptError, LimitError
        If the form is not known, or the frame does not hold what it says.
    ModelNotFoundError
        If it was made with a dictionary that is not installed.
    """
    cursor = Cursor(stored, what)
    packing = cursor.u1()
    if packing == _PLAIN:
        return cursor.take(cursor.left)
    if packing not in ((_ZSTD, _ZSTD_DICTIONARY) if may_share else (_ZSTD,)):
        raise CorruptError(f"expected a known packing of {what}, found {packing}")
    size = cursor.leb_up_to(MAX_META_BYTES, "raw size")
    content = None
    if packing == _ZSTD_DICTIONARY:
        wanted = cursor.take(SHA256_BYTES)
        if dictionary is None or dictionary[1] != wanted:
            raise ModelNotFoundError(
                f"the headers need the dictionary of SHA-256 {wanted.hex()}, which is not installed: "
                "install the version of radcodec that wrote the file"
            )
        content = dictionary[0]
    return unpack_frame(cursor.take(cursor.left), size, what=what, dictionary=content)
