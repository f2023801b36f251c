"""The list of all rivals: a new one is a line here."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from benchmarks.rivals.base import Rival
from benchmarks.rivals.blosc2 import Blosc2
from benchmarks.rivals.fpack import Fpack
from benchmarks.rivals.fpzip import Fpzip
from benchmarks.rivals.gzip import Gzip
from benchmarks.rivals.jpeg2000 import Jpeg2000, Jpeg2000Lossy, MappedJpeg2000
from benchmarks.rivals.jpegls import JpegLs
from benchmarks.rivals.jpegxl import JpegXl, MappedJpegXl
from benchmarks.rivals.lerc import Lerc
from benchmarks.rivals.lossy import LossyRival, Mapping
from benchmarks.rivals.neural.rival import NeuralAe, NeuralVae
from benchmarks.rivals.ours import Radcodec, RadcodecBitRate, RadcodecLossy
from benchmarks.rivals.pcodec import Pcodec, QuantisedPcodec
from benchmarks.rivals.sperr import MappedSperr, Sperr
from benchmarks.rivals.sz3 import MappedSz3, Sz3
from benchmarks.rivals.tiled_fits import Gzip2Lossless, TiledFits
from benchmarks.rivals.zfp import MappedZfp, Zfp
from benchmarks.rivals.zstd import QuantisedShuffleZstd, ShuffleZstd, Zstd


def all_rivals() -> dict[str, Rival]:
    """Return every rival by name, installed or not."""
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


def lossy_rivals(model: str | None = None) -> list[LossyRival]:
    """Return every variant of every rival of the lossy mode, installed or not, and radcodec with one model."""
    found: list[LossyRival] = [RadcodecLossy(model), RadcodecBitRate(model), NeuralVae(), NeuralAe()]
    mapped = (MappedJpeg2000, MappedJpegXl, MappedSperr, MappedSz3, MappedZfp)
    found += [rival(mapping) for mapping in Mapping for rival in mapped]
    return [*found, MappedJpegXl(Mapping.COMPANDED, contrast=0.5)]


def installed(rivals: Iterable[Rival | LossyRival]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the versions of the rivals that are installed, and why the others are not.

    The others are also named on standard error.
    """
    versions: dict[str, str] = {}
    missing: dict[str, str] = {}
    for rival in rivals:
        if rival.name in versions or rival.name in missing:
            continue
        try:
            versions[rival.name] = rival.version()
        except ImportError as err:
            missing[rival.name] = str(err)
            print(f"missing: {rival.name} ({err})", file=sys.stderr)
    return versions, missing
