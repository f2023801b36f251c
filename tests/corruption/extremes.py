"""Decode streams at the ends of every range: ``python tests/corruption/extremes.py``.

Prints how many streams were read. A stream may be rejected. An index out of bounds or made from a NaN is an error,
which a core that is compiled with sanitizers finds.
"""

from __future__ import annotations

import random
import struct
import sys
import warnings
from contextlib import suppress
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import zstandard
from corruption.crafted import learned, predictor_block
from corruption.repair import leb

from radcodec.detail.maps import TileBound
from radcodec.detail.stream import decode_tile, load_predictors
from radcodec.errors import CorruptError
from radcodec.types import SampleType

SHAPE = (2, 4, 5)
N = 40
CLASSES = zstandard.ZstdCompressor().compress(bytes(i % 2 for i in range(N)))


def maps() -> list[tuple[SampleType, bytes, TileBound | None, int]]:
    """Sample type, map fields, bound and largest clamp exponent of each."""
    f8, f4, i8 = SampleType.F8, SampleType.F4, SampleType.I8
    found: list[tuple[SampleType, bytes, TileBound | None, int]] = []
    for z, t in product((-1022, -1020, -149, 0, 1000), (0, 23, 52)):
        found.append((f8, b"\0" + struct.pack("<hB", z, t), None, 1000))
    found.append((f4, b"\0" + struct.pack("<hB", -149, 23), None, 1000))
    for a, b in product((0.0, 2.0**200, 1e308), (2.0**-200, -(2.0**200), 1.0, 5e-324)):
        found.append((f8, b"\1" + struct.pack("<2d", a, b), None, 52))
    for a, b in ((2.0**50, 2.0**100), (-(2.0**52), -1.0), (0.0, 2.0**-100)):
        found.append((f8, b"\5\2" + struct.pack("<4d", 0.0, 1.0, a, b) + leb(len(CLASSES)) + CLASSES, None, 52))
    for a, b in ((-(2**63), 1), (2**63 - 1, 2**64 - 1)):
        found.append((i8, b"\2" + struct.pack("<qQ", a, b), None, 52))
    wide = np.where(np.arange(N) % 3 == 0, 1e-200, 1e200).reshape(SHAPE)
    far = np.where(np.arange(N) % 3 == 0, 2.0**99, 2.0**0).reshape(SHAPE)
    wild = np.where(np.arange(N) % 2 == 0, 1e308, -1e308).reshape(SHAPE)
    for bound in (
        TileBound(error=2.0**-898),
        TileBound(error=2.0**898),
        TileBound(error=2.0**99, map=far),
        TileBound(error=2.0**99, map=far, dither_seed=7),
        TileBound(error=1.0, base=wild),
        TileBound(error=1e200, map=wide),
        TileBound(error=1e200, map=wide[:, :, ::-1]),
    ):
        found += [(f8, b"\3\0", bound, 52), (f8, b"\3\4", bound, 52)]
        if bound.dither_seed is None:
            found.append((f8, b"\4", bound, 52))
    found.append((i8, b"\3\1", TileBound(error=1e300), 52))
    return found


def main() -> None:
    """Read all streams, some with random words and bits."""
    warnings.simplefilter("ignore")
    rng, count = random.Random(1), 0
    # What is out of range is refused before it is used; it is here because it once was not.
    fills = (0.0, 2.0**900, -(2.0**900), 1.7976931348623157e308, -1.7976931348623157e308)
    blocks = [predictor_block(fill, radius=radius) for fill in fills for radius in (1, 3)]
    special = np.arange(N).reshape(SHAPE) % 7 == 0
    for sample_type, fields, bound, most in maps():
        for level, clamp in ((0, 0), (4000, most), (-4000, most), (4000, -1000), (-4000, -1000)):
            for words in (0, 2, 12):
                coded = rng.randbytes(4 * words)
                stream = learned(fields, level=level, clamp=clamp, words=coded, raw=rng.randbytes(words * 12))
                for block in blocks if words == 2 else blocks[:1]:
                    with suppress(CorruptError):
                        predictors = load_predictors(block)
                        decode_tile(stream, SHAPE, sample_type, special if words else None, predictors, bound)
                    count += 1
    print(count)


if __name__ == "__main__":
    main()
