"""Zstandard frames of a known size: what every layer outside the pixel coders is packed with."""

from __future__ import annotations

from collections.abc import Sequence

import zstandard

from radcodec.errors import CorruptError
from radcodec.limits import MAX_ZSTD_RATIO

LEVEL = 19
# Level 19 packs about 3 MB a second; above this size its time matters more than its last percent.
_LARGE_BYTES = 32 << 20
_LEVEL_LARGE = 9


def pack_frame(content: bytes | bytearray | memoryview, *, dictionary: bytes | None = None) -> bytes:
    """One frame without a checksum; the same bytes for the same content and libzstd."""
    level = LEVEL if len(content) <= _LARGE_BYTES else _LEVEL_LARGE
    shared = zstandard.ZstdCompressionDict(dictionary) if dictionary is not None else None
    packer = zstandard.ZstdCompressor(level=level, dict_data=shared, write_checksum=False, write_dict_id=False)
    return packer.compress(content)


def pack_pieces(pieces: Sequence[bytes | memoryview]) -> bytes:
    """Pack pieces of content as one frame; large ones are not joined before, since memory would hold them twice."""
    total = sum(map(len, pieces))
    if len(pieces) == 1 or total <= _LARGE_BYTES:
        return pack_frame(pieces[0] if len(pieces) == 1 else b"".join(pieces))
    packer = zstandard.ZstdCompressor(level=_LEVEL_LARGE, write_checksum=False, write_dict_id=False)
    frame = packer.compressobj(size=total)
    return b"".join([*map(frame.compress, pieces), frame.flush()])


def _unpack(frame: bytes | memoryview, cap_bytes: int, what: str, dictionary: bytes | None) -> bytes:
    """Content of the frame, no more than ``cap_bytes`` of it."""
    shared = zstandard.ZstdCompressionDict(dictionary) if dictionary is not None else None
    try:
        declared = zstandard.frame_content_size(frame)
        if declared > cap_bytes:
            raise CorruptError(
                f"expected a zstandard frame of at most {cap_bytes} bytes in {what}, it declares {declared}"
            )
        # The smaller of the two, so that a few bytes never make us allocate gigabytes.
        room = min(cap_bytes, MAX_ZSTD_RATIO * len(frame))
        if declared > room:
            raise CorruptError(f"{what}: a zstandard frame of {len(frame)} bytes cannot hold {declared} as it declares")
        unpacker = zstandard.ZstdDecompressor(dict_data=shared)
        return unpacker.decompress(frame, max_output_size=max(room, 1), allow_extra_data=False)
    except zstandard.ZstdError as err:
        raise CorruptError(f"expected one sound zstandard frame in {what}, found {len(frame)} bytes: {err}") from err


def unpack_frame(frame: bytes | memoryview, size_bytes: int, *, what: str, dictionary: bytes | None = None) -> bytes:
    """The ``size_bytes`` bytes that one frame holds.

    Raises
    ------
    CorruptError
        If it is no sound frame, is followed by other bytes, or gives more or fewer bytes; ``what`` names it.
    """
    content = _unpack(frame, size_bytes, what, dictionary)
    if len(content) != size_bytes:
        raise CorruptError(f"expected {size_bytes} bytes in the zstandard frame of {what}, found {len(content)}")
    return content


def unpack_frame_up_to(frame: bytes | memoryview, cap_bytes: int, *, what: str) -> bytes:
    """What one frame holds, at most ``cap_bytes``; raises CorruptError as `unpack_frame` does."""
    return _unpack(frame, cap_bytes, what, None)
