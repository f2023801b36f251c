"""Code the samples of a tile that come back exactly and that the other layers ignore (``docs/format.md`` 7.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.coding.samples import native_of, sample_bytes
from radcodec.coding.zstd import pack_frame, unpack_frame, unpack_frame_within
from radcodec.errors import CorruptError
from radcodec.types import SampleType

Pixels = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

_LISTED, _ONE_VALUE = 0, 1


def as_bits(samples: Pixels) -> npt.NDArray[Any]:
    """View the bytes as unsigned integers, so that NaN payloads and signs of zero compare by their bits."""
    return samples.view(f"u{samples.dtype.itemsize}")


def always_special(samples: Pixels, blank: int | None) -> Mask | None:
    """Mark the samples that are special in every image, in the shape of ``samples``; None if there are none.

    These are NaN of any payload, infinities and -0.0 of floats, and BLANK of integers.
    """
    if samples.dtype.kind != "f":
        if blank is None:
            return None
        marked = samples == blank
        return marked if marked.any() else None
    special = ~np.isfinite(samples)
    zero = samples == 0
    if zero.any():
        special |= zero & np.signbit(samples)
    return special if special.any() else None


def encode_mask(tile: Pixels, special: Mask | None) -> bytes:
    """Encode the mask stream of a tile; empty if no sample is special."""
    if special is None or not special.any():
        return b""
    bitmap = np.packbits(special.reshape(-1)).tobytes()
    listed = tile.reshape(-1)[special.reshape(-1)]
    bits = as_bits(listed)
    if bool((bits == bits[0]).all()):
        return bytes([_ONE_VALUE]) + pack_frame(sample_bytes(listed[:1], "<").tobytes() + bitmap)
    return bytes([_LISTED]) + pack_frame(bitmap + sample_bytes(listed, "<").tobytes())


def decode_mask(stream: bytes, n_samples: int, sample_type: SampleType) -> tuple[Mask, Pixels]:
    """Decode the mask bool [n] of a tile and its special values in order (one value if all are equal).

    Raises
    ------
    CorruptError
        If the stream is malformed.
    """
    form, frame = stream[0], stream[1:]
    bitmap_bytes = -(-n_samples // 8)
    itemsize = sample_type.size_bytes
    if form == _ONE_VALUE:
        content = unpack_frame(frame, bitmap_bytes + itemsize, what="a mask stream")
        bitmap, listed = content[itemsize:], content[:itemsize]
    elif form == _LISTED:
        most = bitmap_bytes + n_samples * itemsize
        content = unpack_frame_within(frame, bitmap_bytes, most, what="a mask stream")
        bitmap, listed = content[:bitmap_bytes], content[bitmap_bytes:]
    else:
        raise CorruptError(f"expected a mask of form 0 or 1, found {form}")
    marks = np.unpackbits(np.frombuffer(bitmap, np.uint8))
    special = marks[:n_samples].astype(np.bool_)
    if marks[n_samples:].any():
        raise CorruptError("expected zeros in the padding of a mask's bitmap, found ones")
    if not special.any():
        raise CorruptError("expected a mask that marks a sample or more, found none")
    if form == _LISTED and len(listed) != np.count_nonzero(special) * itemsize:
        raise CorruptError(
            f"expected {np.count_nonzero(special)} values after a mask's bitmap, found {len(listed)} bytes"
        )
    return special, native_of(listed, sample_type.dtype_str, "<")
