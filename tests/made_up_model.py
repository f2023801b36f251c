"""A lapped model whose numbers come from a generator: every symbol is possible, none is likely."""

from __future__ import annotations

import numpy as np

from radcodec.base.lapped.spec import LAYER_SHAPES, TABLE_SHAPES, LappedArrays, LappedSpec, Layer, check_arrays


def made_up(seed: int = 0, stages: int = 6) -> tuple[LappedSpec, LappedArrays]:
    """Spec and arrays of a model that was not trained."""
    rng = np.random.default_rng(seed)
    layers = {
        name: Layer(
            weight=rng.integers(-40, 41, shape).astype(np.int8),
            bias=rng.integers(-3000, 3000, shape[0]).astype(np.int32),
            shift=6,
        )
        for name, shape in LAYER_SHAPES.items()
    }
    tables = {}
    for name, shape in TABLE_SHAPES.items():
        counts = np.floor((rng.random(shape) + 0.1) * 2.0**18).astype(np.int64)
        counts[..., 0] += 2**24 - counts.sum(axis=-1)
        tables[name] = counts.astype(np.uint32)
    arrays = LappedArrays(
        log_table=np.round(16 * np.log2(np.arange(4096) / 16 + 0.03)).astype(np.int16),
        layers=layers,
        tables=tables,
        sinh=3.0 * np.sinh(np.arange(3072) / 192),
    )
    spec = LappedSpec(name="made-up", stages=stages)
    check_arrays(spec, arrays)
    return spec, arrays
