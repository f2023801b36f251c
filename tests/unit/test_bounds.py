"""Bounds: what the user writes, and E of every pixel."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radcodec.container.meta import ImageRecord
from radcodec.encoding.bound_plan import plan_bounds, product_down
from radcodec.encoding.bound_spec import BoundKind, BoundSpec, parse_bound
from radcodec.encoding.plane_noise import BoundedImage
from radcodec.errors import BoundError, CorruptError
from radcodec.pixels.bounds import pack_bounds, tile_errors, unpack_bounds
from radcodec.types import SampleType


@pytest.mark.parametrize(
    ("given_bound", "kind", "value", "unit"),
    [
        (2e-5, BoundKind.ABSOLUTE, 2e-5, ""),
        ("2e-5", BoundKind.ABSOLUTE, 2e-5, ""),
        (3, BoundKind.ABSOLUTE, 3.0, ""),
        ("20uJy/beam", BoundKind.ABSOLUTE, 20.0, "uJy/beam"),
        ("0.125sigma", BoundKind.SIGMA, 0.125, ""),
        (" .5 sigma ", BoundKind.SIGMA, 0.5, ""),
        ("0.125localsigma", BoundKind.LOCAL_SIGMA, 0.125, ""),
    ],
)
def test_bounds_that_are_understood(given_bound: float | str, kind: BoundKind, value: float, unit: str) -> None:
    """Numbers, numbers with a unit, and multiples of the noise."""
    spec = parse_bound(given_bound)
    assert (spec.kind, spec.value, spec.unit) == (kind, value, unit)


@pytest.mark.parametrize(
    "given_bound", [0, -1.0, math.nan, math.inf, "", "sigma", "abc", "-1sigma", "inf", "1e999", True]
)
def test_bounds_that_are_not(given_bound: float | str) -> None:
    """Zero, negative, non-finite and unreadable bounds are refused."""
    with pytest.raises(BoundError, match="expected"):
        parse_bound(given_bound)


@given(st.floats(0, 1e150), st.floats(0, 1e150))
def test_products_are_rounded_downwards(first: float, second: float) -> None:
    """The product is never over the exact one, and the next float64 is."""
    product = product_down(first, second)
    exact = Fraction(first) * Fraction(second)
    assert Fraction(product) <= exact < Fraction(math.nextafter(product, math.inf))


def _record(shape: tuple[int, ...], **fields: object) -> ImageRecord:
    return ImageRecord(sample_type=SampleType.F4, shape=shape, sides=shape, bound=1.0, **fields)  # type: ignore[arg-type]


def test_planes_have_their_own_noise() -> None:
    """Each plane is bound by its own sigma, a constant one is exact, and the block comes back."""
    rng = np.random.default_rng(3)
    image = np.stack([rng.normal(0, s, (64, 64)) for s in (1.0, 10.0)] + [np.ones((64, 64))]).astype(np.float32)
    spec = BoundSpec(kind=BoundKind.SIGMA, value=0.5)
    plan = plan_bounds(BoundedImage(pixels=image, special=None), spec)
    assert plan.bounds.planes is not None
    assert plan.bounds.planes == pytest.approx([0.5, 5.0, 0.0], rel=0.1)
    assert plan.largest == plan.bounds.planes.max()
    assert plan.in_sigma == 0.5
    found = unpack_bounds(pack_bounds(plan.bounds), _record(image.shape))
    assert tile_errors(found, (1, 2, 0, 64, 0, 64)) == plan.bounds.planes[1]
    assert np.asarray(tile_errors(found, (0, 3, 0, 2, 0, 2))).shape == (3, 2, 2)


def test_given_noise_and_scale() -> None:
    """A given sigma is used as it is; a measured one is in physical units."""
    image = np.random.default_rng(3).normal(0, 100, (1, 64, 64)).astype(np.int16)
    spec = BoundSpec(kind=BoundKind.SIGMA, value=0.25)
    assert plan_bounds(BoundedImage(pixels=image, special=None, bscale=2.0, sigma=8.0), spec).largest == 2.0
    assert plan_bounds(BoundedImage(pixels=image, special=None, bscale=2.0), spec).largest == pytest.approx(50, rel=0.1)
    with pytest.raises(BoundError, match="noise"):
        plan_bounds(BoundedImage(pixels=image, special=None, sigma=0.0), spec)


def test_local_noise_is_a_map_that_never_rounds_up() -> None:
    """The map follows the noise, its float32 cells are at most the float64 product, and it comes back."""
    rng = np.random.default_rng(4)
    image = rng.normal(0, 1, (1, 256, 600))
    image[:, :, 300:] *= 10
    spec = BoundSpec(kind=BoundKind.LOCAL_SIGMA, value=0.1)
    plan = plan_bounds(BoundedImage(pixels=image.astype(np.float32), special=None), spec)
    cells = plan.bounds.cells
    assert cells is not None
    size = plan.bounds.cell
    assert cells.shape == (1, -(-256 // size), -(-600 // size))
    assert cells[0, 0, 0] < 0.3 < cells[0, 0, -1]
    found = unpack_bounds(pack_bounds(plan.bounds), _record(image.shape, has_step_map=True))
    errors = np.asarray(tile_errors(found, (0, 1, 0, 256, 0, 600)))
    assert errors.shape == image.shape
    assert errors[0, 200, 599] == cells[0, 200 // size, 599 // size]


@pytest.mark.parametrize("block", [b"\0" * 7, b"\0" * 7 + b"\x80", b"\xff" * 8])
def test_unsound_blocks_are_rejected(block: bytes) -> None:
    """Blocks of another length, negative and non-finite bounds are rejected. (-0.0 is allowed: it is not below 0.)"""
    if block == b"\0" * 7 + b"\x80":
        assert unpack_bounds(block, _record((4, 4))).planes == np.array([0.0])
        return
    with pytest.raises(CorruptError, match="expected"):
        unpack_bounds(block, _record((4, 4)))


def test_a_unit_without_bunit_is_refused() -> None:
    """A bound with a unit needs an image with one."""
    image = np.ones((1, 4, 4), np.float32)
    with pytest.raises(BoundError, match="BUNIT"):
        plan_bounds(BoundedImage(pixels=image, special=None), parse_bound("3Jy"))
