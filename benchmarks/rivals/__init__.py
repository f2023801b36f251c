"""The rivals, one small file a family, behind ``base.Rival``."""

from __future__ import annotations

from benchmarks.rivals.base import Rival
from benchmarks.rivals.fpack import Fpack, Gzip2Lossless, TiledFits
from benchmarks.rivals.gzip import Gzip
from benchmarks.rivals.jpeg2000 import Jpeg2000, Jpeg2000Lossy
from benchmarks.rivals.jpegls import JpegLs
from benchmarks.rivals.jpegxl import JpegXl
from benchmarks.rivals.numeric import Blosc2, Fpzip, Pcodec, QuantisedPcodec
from benchmarks.rivals.ours import Radcodec
from benchmarks.rivals.scientific import Lerc, Sperr, Sz3, Zfp
from benchmarks.rivals.zstd import QuantisedShuffleZstd, ShuffleZstd, Zstd


def all_rivals() -> dict[str, Rival]:
    """Every rival by name, installed or not."""
    rivals: list[Rival] = [
        Radcodec(),
        Gzip(),
        Zstd(),
        ShuffleZstd(),
        QuantisedShuffleZstd(),
        TiledFits("RICE_1"),
        TiledFits("HCOMPRESS_1"),
        TiledFits("GZIP_2"),
        Gzip2Lossless(),
        Fpack("rice"),
        Fpack("hcompress"),
        Fpack("gzip2"),
        Jpeg2000(),
        Jpeg2000Lossy(),
        JpegLs(),
        JpegXl(7),
        JpegXl(9),
        Sz3(),
        Sperr(),
        Zfp(),
        Lerc(),
        Fpzip(),
        Pcodec(),
        QuantisedPcodec(),
        Blosc2(),
    ]
    return {rival.name: rival for rival in rivals}
