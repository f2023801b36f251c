"""Every number from a file is in its range before it is used, in both decoders alike (docs/format.md)."""

from __future__ import annotations

import math
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reference_decoder as ref
from corruption.crafted import array_file, in_child, learned, params, predictor_block, record

import radcodec
from radcodec.container.meta import ImageRecord
from radcodec.detail.lattice_maps import lattices_map
from radcodec.detail.maps import TileBound, step_map
from radcodec.detail.predictors import unpack_predictors
from radcodec.detail.stream import decode_tile, load_predictors
from radcodec.pixels.bounds import unpack_bounds
from radcodec.types import SampleType

MAX = 1.7976931348623157e308
NOT_FINITE = [math.nan, math.inf, -math.inf]


def one_tile(fill: float, map_fields: bytes, *, sample_type: int = 10, clamp: int = 1000, level: int = 0) -> bytes:
    """The file of 137 bytes that crashed readers of draft 0, in this draft, with such a fill and map."""
    image = record(sample_type, (8, 8), tile=8)
    stream = learned(map_fields, level=level, clamp=clamp)
    n_bytes = 64 * (8 if sample_type == 10 else 4)
    return array_file(image, n_bytes, [(b"", stream)], blocks=params(predictors=predictor_block(fill)))


@pytest.mark.parametrize("fill", [MAX, -MAX, 2.0**901, -(2.0**901), *NOT_FINITE])
def test_fill_out_of_range_is_rejected_by_both(fill: float) -> None:
    """A fill whose sum with a prediction could overflow made a NaN of a phase, and a row of no table."""
    data = one_tile(fill, b"\0" + struct.pack("<hB", -1022, 52))
    uses = ["radcodec.decode(data)"]
    if fill == MAX:
        uses += ["radcodec.verify(data)", "radcodec.preview(data)", "radcodec.open(data)[:2]"]
    for use in uses:
        error, _, _ = in_child(data, use)
        assert error.startswith("CorruptError: predictor block: expected a fill within"), error
    with pytest.raises(ref.RejectError, match="fill"):
        ref.decode_file(data)


def test_largest_fill_is_allowed() -> None:
    """The ends of the range are in it, and what is past the fill is what is wrong with this file."""
    for fill in (2.0**900, -(2.0**900)):
        assert unpack_predictors(predictor_block(fill)).fill == fill
        data = one_tile(fill, b"\0" + struct.pack("<hB", -1022, 52))
        assert "do not end where they should" in in_child(data)[0]
        with pytest.raises(ref.RejectError, match=r"entropy|run out|d or u|value"):
            ref.decode_file(data)


LATTICES = [*NOT_FINITE, MAX, 2.0**201, 2.0**-201, 5e-324, 0.0]


@pytest.mark.parametrize("value", LATTICES)
def test_lattice_out_of_range_is_rejected_by_both(value: float) -> None:
    """a and b of maps 1 and 5 have ranges within which no working value leaves binary64."""
    pairs = [(1.0, value)] if value == 0 or abs(value) < 1 else [(1.0, value), (value, 1.0)]
    for a, b in pairs:
        data = one_tile(0.0, b"\1" + struct.pack("<2d", a, b), clamp=0)
        error, _, _ = in_child(data)
        assert error.startswith("CorruptError: detail stream: a lattice"), error
        with pytest.raises(ref.RejectError, match="lattice"):
            ref.decode_file(data)
        assert lattices_map(np.array([(0.0, 1.0), (a, b)]), np.zeros((1, 2, 2), np.uint8), SampleType.F8) is None


@pytest.mark.parametrize("power", [101, -101, 1500, -1500])
def test_steps_of_far_sizes_have_no_map(power: int) -> None:
    """Steps whose ratio is infinite or 0 divided by zero: where it is over 2^100 a tile has no steps."""
    errors = np.array([2.0**-750, 2.0 ** (power - 750)] if power > 0 else [2.0**750, 2.0 ** (750 + power)])
    tile_map = np.repeat(errors, 32).reshape(2, 4, 8)
    bound = TileBound(error=float(errors.max()), map=tile_map)
    assert step_map(bound, (2, 4, 8), SampleType.F8) is None
    stream = learned(b"\3\0", clamp=0)
    block = predictor_block(0.0)
    with pytest.raises(radcodec.CorruptError, match="uses steps"):
        decode_tile(stream, (2, 4, 8), SampleType.F8, None, load_predictors(block), bound)
    image = ref.Image(10, (2, 4, 8), 8, 0, bounded=True, bound=float(errors.max()))
    image.predictors = ref.read_predictors(ref.Cursor(block))
    with pytest.raises(ref.RejectError, match="D"):
        ref.decode_detail(stream, image, 0, (2, 4, 8), np.zeros(64, bool), tile_map.ravel())


def test_steps_of_the_farthest_sizes_have_a_map() -> None:
    """A ratio of 2^100 is in the range."""
    tile_map = np.array([1.0, 2.0**100, 2.0**-100]).reshape(1, 1, 3)
    assert step_map(TileBound(error=2.0**100, map=tile_map), (1, 1, 3), SampleType.F8) is not None


@pytest.mark.parametrize(
    "pair", [(2.0**1001, 1.0), (0.0, 2.0**1001), (0.0, 2.0**-1001), (0.0, 0.0), (math.nan, 1.0), (0.0, math.nan)]
)
def test_normalisation_out_of_range_is_rejected_by_both(pair: tuple[float, float]) -> None:
    """Within the ranges of offset and scale no base value overflows."""
    from radcodec.base.normalise import unpack_normalisation

    block = struct.pack("<2d", *pair)
    with pytest.raises(radcodec.CorruptError, match="offsets within"):
        unpack_normalisation(block, 1)
    image = ref.Image(9, (2, 2), 8, 1)
    with pytest.raises(ref.RejectError, match="normalisation"):
        ref.read_params(bytes([16]) + block + b"\0\0", [image])


def test_no_kernel_leaves_its_tables() -> None:
    """Every map at the ends of its ranges, with any words and bits: no index is out of bounds, or made from a NaN.

    In a process of its own, which a wrong index may end.
    """
    script = Path(__file__).resolve().parent / "extremes.py"
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) >= 1000


def test_bounds_of_a_record_are_the_largest_of_its_parameters() -> None:
    """A record is shown by ``info``; its E is that of the parameters, of planes or cells, or the file is refused."""
    image = np.stack([np.random.default_rng(5).normal(0, s, (16, 16)) for s in (1.0, 4.0)]).astype("f4")
    for bound in ("0.25sigma", "0.25localsigma"):
        data = radcodec.encode(image, max_error=bound, tile=8)
        largest = radcodec.open(data).info.max_error
        assert largest is not None
        for other in (math.nextafter(largest, 0.0), largest * 2, largest / 2):
            forged = data.replace(struct.pack("<d", largest), struct.pack("<d", other), 1)
            check_both_reject(forged, "largest")


def check_both_reject(forged: bytes, what: str) -> None:
    """Both decoders reject a file whose checksums are made right."""
    from corruption.repair import join, repair_index, split

    parts = split(forged)
    assert parts is not None
    data = join(repair_index(replace(parts)))
    with pytest.raises(radcodec.CorruptError, match=what):
        radcodec.open(data)
    with pytest.raises(ref.RejectError, match=what):
        ref.decode_file(data)


def test_bounds_block_of_another_length_is_rejected() -> None:
    """The library checks the block again where it makes use of it."""
    own = ImageRecord(sample_type=SampleType.F4, shape=(2, 4, 4), sides=(2, 4, 4), bound=1.0)
    with pytest.raises(radcodec.CorruptError, match="16 bytes"):
        unpack_bounds(bytes(8), own)
