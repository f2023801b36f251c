"""Store META and PARAMS plain, as a zstandard frame, or as a frame with the header dictionary."""

from __future__ import annotations

from collections.abc import Sequence

from radcodec.coding.leb import pack_leb
from radcodec.coding.zstd import pack_frame, unpack_frame
from radcodec.container.layout import SHA256_BYTES, Cursor
from radcodec.errors import CorruptError, LimitError, ModelNotFoundError
from radcodec.limits import MAX_META_BYTES, PACKED_RATIO, PACKED_ROOM_BYTES

_PLAIN, _ZSTD, _ZSTD_DICTIONARY = 0, 1, 2

# Content and SHA-256 of a zstandard dictionary.
Dictionary = tuple[bytes, bytes]


def pack_section(raw: bytes, dictionary: Dictionary | None = None) -> bytes:
    """Return the smallest stored form of a section; of equal sizes the simpler one."""
    forms = [bytes([_PLAIN]) + raw]
    if not raw:
        return forms[0]
    size, frame = pack_leb(len(raw)), pack_frame(raw)
    if len(raw) <= _most_bytes(frame):
        forms.append(bytes([_ZSTD]) + size + frame)
    if dictionary is not None:
        content, sha256 = dictionary
        frame = pack_frame(raw, dictionary=content)
        if len(raw) <= _most_bytes(frame):
            forms.append(bytes([_ZSTD_DICTIONARY]) + size + sha256 + frame)
    return min(forms, key=len)


def _most_bytes(frame: bytes) -> int:
    """Return the largest content of a section's frame (2.3), so that a short file takes little memory."""
    return PACKED_ROOM_BYTES + PACKED_RATIO * len(frame)


def unpack_section(
    stored: bytes, what: str, *, dictionaries: Sequence[Dictionary] = (), may_share: bool = False
) -> bytes:
    """Return the content of a stored section.

    Parameters
    ----------
    dictionaries
        The installed ones.
    may_share
        Whether this section may use a dictionary (META only).

    Raises
    ------
    CorruptError, LimitError
        If the form is unknown, or the frame is malformed.
    ModelNotFoundError
        If it needs a dictionary that is not installed.
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
        content = next((known for known, sha256 in dictionaries if sha256 == wanted), None)
        if content is None:
            raise ModelNotFoundError(
                f"the headers need the dictionary of SHA-256 {wanted.hex()}, which is not installed: "
                "install the version of radcodec that wrote the file"
            )
    frame = cursor.take(cursor.left)
    if size > _most_bytes(frame):
        raise LimitError(f"expected at most {_most_bytes(frame)} bytes in {what} of {len(frame)}, it declares {size}")
    return unpack_frame(frame, size, what=what, dictionary=content)
