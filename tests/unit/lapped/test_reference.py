"""Lapped streams beside the reference decoder, which was written from the format's page alone."""

from __future__ import annotations

import numpy as np
import pytest
import reference_lapped

from radcodec.base.lapped import transform
from radcodec.base.lapped.codes import LappedCodes
from radcodec.base.lapped.model import LappedModel


@pytest.mark.parametrize(
    ("shape", "code", "size", "last"),
    [
        ((21, 38), 0, 2.0, 8),
        ((9, 70), 1, 90.0, 3),
        ((3, 4), 5, 1.0, 14),
        ((21, 38), 6, 2.0, 8),
        ((73, 66), 6, 40.0, 4),
        ((5, 40), 6, 3.0, 9),
    ],
)
def test_reference_reads_streams(model: LappedModel, shape: tuple[int, int], code: int, size: float, last: int) -> None:
    """Both give the same pixels, from all stages and from the first few."""
    rng = np.random.default_rng(7)
    g = transform.geometry_of(shape, code)
    signed = (rng.standard_t(2, size=(g.rows, g.columns, g.height, g.width)) * size).astype(np.int32)
    codes = LappedCodes(shape=shape, code=code, last=last, gain=200, offsets=(-7, 5), coefficients=signed)
    streams = model.stage_streams(codes)
    tensors = {"log_table": model.arrays.log_table, **model.arrays.tables}
    for name, layer in model.arrays.layers.items():
        tensors |= {f"{name}.weight": layer.weight, f"{name}.bias": layer.bias}
    layers = {name: {"shift": layer.shift} for name, layer in model.arrays.layers.items()}
    for n in (1, 3, 6):
        found = reference_lapped.lapped_units(tensors, layers, 6, streams[:n], *shape)
        again, left_out = model.read_codes(streams[:n], shape)
        assert (found == model.companded(again, left_out)).all()


def test_reference_cosine() -> None:
    """The reference's matrices are the library's."""
    for n in (2, 6, 60):
        for last in (False, True):
            assert (reference_lapped.matrix(n, last) == transform.matrix(n, last)).all()
