"""Pack and unpack Zstandard frames of a known size, for everything but pixels."""

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
    """Pack content as one frame without a checksum; output depends only on the content and libzstd."""
    level = LEVEL if len(content) <= _LARGE_BYTES else _LEVEL_LARGE
    shared = zstandard.ZstdCompressionDict(dictionary) if dictionary is not None else None
    packer = zstandard.ZstdCompressor(level=level, dict_data=shared, write_checksum=False, write_dict_id=False)
    return packer.compress(content)


def pack_pieces(pieces: Sequence[bytes | memoryview]) -> bytes:
    """Pack pieces of content as one frame; large ones are not joined first, since memory would hold them twice."""
    total = sum(map(len, pieces))
    if len(pieces) == 1 or total <= _LARGE_BYTES:
        return pack_frame(pieces[0] if len(pieces) == 1 else b"".join(pieces))
    packer = zstandard.ZstdCompressor(level=_LEVEL_LARGE, write_checksum=False, write_dict_id=False)
    frame = packer.compressobj(size=total)
    return b"".join([*map(frame.compress, pieces), frame.flush()])


def _declared_size(frame: bytes | memoryview, what: str) -> int:
    """Return the size that a frame declares; raises CorruptError if it is missing or impossible."""
    try:
        declared = zstandard.frame_content_size(frame)
    except zstandard.ZstdError as err:
        raise CorruptError(f"expected one valid zstandard frame in {what}, found {len(frame)} bytes: {err}") from err
    if declared < 1:
        raise CorruptError(f"expected a zstandard frame in {what} that declares how many bytes it holds, found none")
    # A few bytes must never make us allocate gigabytes.
    if declared > MAX_ZSTD_RATIO * len(frame):
        raise CorruptError(f"{what}: a zstandard frame of {len(frame)} bytes cannot hold {declared} as it declares")
    return declared


def _unpack(frame: bytes | memoryview, declared: int, what: str, dictionary: bytes | None) -> bytes:
    """Return the content of the frame, after checking its declared size."""
    shared = zstandard.ZstdCompressionDict(dictionary) if dictionary is not None else None
    try:
        unpacker = zstandard.ZstdDecompressor(dict_data=shared)
        content = unpacker.decompress(frame, max_output_size=declared, allow_extra_data=False)
    except zstandard.ZstdError as err:
        raise CorruptError(f"expected one valid zstandard frame in {what}, found {len(frame)} bytes: {err}") from err
    if len(content) != declared:
        raise CorruptError(f"expected {declared} bytes in the zstandard frame of {what}, found {len(content)}")
    return content


def unpack_frame(frame: bytes | memoryview, size_bytes: int, *, what: str, dictionary: bytes | None = None) -> bytes:
    """Return the ``size_bytes`` bytes that one frame declares and holds.

    Raises
    ------
    CorruptError
        If the frame is malformed, is followed by other bytes, or declares or gives another size; ``what`` names it. The
        declared size is checked before anything is allocated.
    """
    declared = _declared_size(frame, what)
    if declared != size_bytes:
        raise CorruptError(f"expected {size_bytes} bytes in the zstandard frame of {what}, it declares {declared}")
    return _unpack(frame, declared, what, dictionary)


def unpack_frame_within(frame: bytes | memoryview, least_bytes: int, most_bytes: int, *, what: str) -> bytes:
    """Return one frame's ``least_bytes`` to ``most_bytes`` bytes; raises CorruptError as `unpack_frame` does."""
    declared = _declared_size(frame, what)
    if not least_bytes <= declared <= most_bytes:
        raise CorruptError(
            f"expected {least_bytes} to {most_bytes} bytes in the zstandard frame of {what}, it declares {declared}"
        )
    return _unpack(frame, declared, what, None)
