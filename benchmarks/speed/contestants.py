"""A codec with its settings on one track of the speed table: what it gets, and what it must decode to."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from benchmarks.rivals.base import IntegerRival, Rival, Track, Unsupported, pack_specials, safe_error, tall
from benchmarks.rivals.jpeg2000 import Jpeg2000
from benchmarks.rivals.jpegxl import JpegXl
from benchmarks.rivals.ours import Radcodec
from benchmarks.rivals.registry import all_rivals
from benchmarks.types import Array
from radcodec.limits import DEFAULT_EFFORT

PREVIEW = 1.0  # percent, the command line's default
THREADED = ("radcodec", "jpeg2000", "jpegxl-e7", "jpegxl-e9")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A codec on a track; ``threads`` is for THREADED, the others use one thread.

    ``verify`` and ``preview`` (percent) are for radcodec only; the command line's defaults are True and PREVIEW.
    """

    codec: str
    track: Track
    threads: int = 1
    verify: bool = False
    preview: float = 0.0
    rival: Rival = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rival", self._made())

    def _made(self) -> Rival:
        if self.codec == "radcodec":
            return Radcodec(threads=self.threads, verify=self.verify, preview=self.preview, effort=DEFAULT_EFFORT)
        if self.codec == "jpeg2000":
            return Jpeg2000(threads=self.threads)
        if self.codec.startswith("jpegxl-e"):
            return JpegXl(int(self.codec[8:]), threads=self.threads)
        return all_rivals()[self.codec]

    @property
    def setting(self) -> str:
        """The codec's setting, and whether it is given integers."""
        return self.rival.setting + ("; given the quantised integers" if self.takes_integers else "")

    @property
    def takes_integers(self) -> bool:
        """Whether the codec gets the quantised integers: mapping floats to them is not the work of an integer coder."""
        return self.track is Track.BOUNDED and isinstance(self.rival, IntegerRival)

    @property
    def decodes_alone(self) -> bool:
        """Whether the stream alone decodes: coders of FITS tiles keep the header aside, in their own process."""
        return not (hasattr(self.rival, "_files") or hasattr(self.rival, "_file"))

    def given(self, samples: Array, max_error: float) -> Array:
        """Return what the codec gets for the samples; making it is not timed."""
        if not self.takes_integers:
            return samples
        levels = np.rint(tall(pack_specials(samples)[0]).astype(np.float64) / (2.0 * safe_error(samples, max_error)))
        levels -= levels.min()
        if levels.max() >= 1 << 16:
            raise Unsupported("more than 16 bits a pixel")
        assert isinstance(self.rival, IntegerRival)
        return self.rival.plane_of(levels)

    def encode(self, given: Array, max_error: float) -> bytes:
        """Encode what the codec was given."""
        if self.takes_integers and isinstance(self.rival, IntegerRival):
            return self.rival.encode_plane(given)
        return self.rival.encode(given, max_error=max_error if self.track is Track.BOUNDED else None)

    def decode(self, data: bytes, given: Array) -> Array:
        """Decode a stream; of ``given`` only shape and dtype count."""
        if self.takes_integers and isinstance(self.rival, IntegerRival):
            return self.rival.decode_plane(data)
        return self.rival.decode(data, shape=given.shape, dtype=given.dtype)

    def holds(self, decoded: Array, given: Array, max_error: float) -> bool:
        """Tell whether the decoded array meets the demand."""
        if self.takes_integers:
            return np.array_equal(decoded, given)
        if self.track is Track.LOSSLESS:
            return decoded.dtype == given.dtype and decoded.tobytes() == given.tobytes()
        return bool((np.abs(decoded.astype(np.float64) - given) <= max_error).all())
