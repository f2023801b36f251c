"""Small files of every kind and mode, how to read them, and the one rule that damaged ones are held to."""

from __future__ import annotations

import io
import time
from contextlib import AbstractContextManager
from functools import cache
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pytest

import radcodec.container.writer
import radcodec.encoding.on_base
from radcodec.simulate import simulate_fits, simulate_image

# Reading a file of 1000 bytes takes milliseconds; this leaves room for a busy machine, not for a loop that runs away.
LIMIT_S = 3.0
Restored = bytes | npt.NDArray[Any]


def image_with_specials() -> npt.NDArray[np.float32]:
    """float32 [16, 16] with NaN, infinity, -0.0 and a block of zeros."""
    image = simulate_image((16, 16), seed=21)
    image[0, :5] = np.nan
    image[3, 3:6] = [np.inf, -0.0, 1e-42]
    image[8:11, 8:12] = 0.0
    return image


def table_file() -> bytes:
    """A FITS file of an image and of bytes that are none."""
    return simulate_fits((16, 12), seed=22, n_axes=3) + b"left over by a pipeline" * 3


def mosaic() -> npt.NDArray[np.float32]:
    """float32 [64, 48] of floats above two lattices side by side: a tile of two parts, one of several lattices."""
    image = simulate_image((64, 48), seed=26).astype("f8")
    image[8:, :24] = np.round(image[8:, :24] / 9e-5) * 9e-5 + 1e-6
    image[8:, 24:] = np.round(image[8:, 24:] / 1.1e-4) * 1.1e-4 + 3e-6
    return image.astype("f4")


def ordinary_files() -> AbstractContextManager[object]:
    """Write small arrays as ordinary files and not as compact ones (docs/format.md, 2.7)."""
    return patch.object(radcodec.container.writer, "MAX_COMPACT_BYTES", 0)


@cache
def sample(name: str) -> bytes:
    """One small file, an ordinary one."""
    with ordinary_files():
        return _sample(name)


def _sample(name: str) -> bytes:
    image = simulate_image((16, 16), seed=20)
    micro = np.round(image.astype("f8") * 1e6).astype("i2")
    cube = np.stack([image * np.float32(i + 1) for i in range(3)])
    if name == "array_lossless":
        return radcodec.encode(image_with_specials())
    if name == "array_parts":
        return radcodec.encode(mosaic())
    if name == "array_integer":
        return radcodec.encode(micro)
    if name == "array_bounded":
        return radcodec.encode(image_with_specials(), max_error=3e-5, dither=True)
    if name == "array_bounded_integer":
        return radcodec.encode(micro, max_error=4.0)
    if name == "array_tiles":
        return radcodec.encode(cube, max_error="0.25sigma", tile=8)
    if name == "array_on_base":
        # So small an image pays no base layer: one that costs ten times the bits is taken all the same.
        with patch.multiple(radcodec.encoding.on_base, LEAST_GAINS=(-9.0, -9.0), LEAST_BOUND=0.0):
            data = radcodec.encode(image, max_error=2e-4)
        assert radcodec.open(data).info.hdus[0]["on_base"]
        return data
    if name == "array_lossy":
        return radcodec.encode(image, lossy_stages=2)
    return compress(*FITS_SAMPLES[name])


FITS_SAMPLES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "fits_lossless": (table_file(), {"preview": 0}),
    "fits_bounded": (simulate_fits((16, 16), seed=23), {"max_error": "0.25localsigma", "preview": 0}),
    "fits_scaled": (simulate_fits((16, 16), seed=24, bitpix=16), {"max_error": "0.5sigma", "preview": 0}),
    "fits_preview": (simulate_fits((16, 16), seed=25), {"preview": 50}),
}
EXACT = ("array_lossless", "array_parts", "array_integer", "fits_lossless")
BOUNDED = ("array_bounded", "array_bounded_integer", "array_tiles", "fits_bounded", "fits_scaled")
LEARNED = ("array_lossy", "array_on_base", "fits_preview")
SAMPLES = EXACT + BOUNDED + LEARNED
SLOW = (*LEARNED, "array_parts")


def compress(content: bytes, options: dict[str, Any]) -> bytes:
    """A FITS file as a .rcz file."""
    out = io.BytesIO()
    radcodec.compress(io.BytesIO(content), out, **options)
    return out.getvalue()


def read(data: bytes) -> Restored:
    """What a file restores to; the kind is what its prelude says, an array where that cannot be read."""
    if len(data) > 10 and data[10] == 1:
        out = io.BytesIO()
        radcodec.decompress(io.BytesIO(data), out, threads=1)
        return out.getvalue()
    return radcodec.decode(data, threads=1)


def same(one: Restored, other: Restored) -> bool:
    """Whether two results are the same, bit by bit."""
    if isinstance(one, bytes) or isinstance(other, bytes):
        return isinstance(one, bytes) and isinstance(other, bytes) and one == other
    return one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()


def check_damaged(data: bytes, expected: Restored | None, what: str) -> bool:
    """Whether a damaged file restores all the same; fails the test unless it does exactly, or is rejected in time.

    expected is None where the file must be rejected.
    """
    start = time.process_time()
    try:
        restored = read(data)
    except (radcodec.FormatError, radcodec.ModelError):
        restored = None
    except BaseException as err:
        pytest.fail(f"{what}: expected a FormatError or ModelError, found {err!r}")
    elapsed = time.process_time() - start
    if elapsed > LIMIT_S:
        pytest.fail(f"{what}: expected an answer within {LIMIT_S} s, found {elapsed:.1f} s")
    if restored is not None and (expected is None or not same(restored, expected)):
        pytest.fail(f"{what}: expected an error or the right pixels, found others")
    return restored is not None
