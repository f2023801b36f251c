"""The parts of a lapped model (docs/format.md, 9.5): its arrays and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radcodec.errors import ModelMismatchError
from radcodec.limits import MAX_STAGES

N_BUCKETS = 48
N_INPUTS = 21
HIDDEN = 16
LEVELS = 5  # of magnitudes that are not zero; the last one is open
FLAG_PLANES = 11
LOG_ENTRIES = 4096
SINH_ENTRIES = 3072
TOTAL = 1 << 24
MAX_ACTIVATION = 1023
MAX_SHIFT = 24
LAYER_SHAPES = {"layer0": (HIDDEN, N_INPUTS), "layer1": (HIDDEN, HIDDEN), "layer2": (1, HIDDEN)}
TABLE_SHAPES = {
    "zz": (N_BUCKETS, 9),
    "zn": (N_BUCKETS, 2, LEVELS, 6),
    "nn": (2, LEVELS, LEVELS, 4),
    "flags": (FLAG_PLANES, LEVELS, 2),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LappedSpec:
    """Name of a model, and the number of stages that a tile's planes are divided into."""

    name: str
    stages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer of the network: weight int8 [O, I], bias int32 [O]."""

    weight: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    shift: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LappedArrays:
    """All trained arrays, and the table of the companding.

    log_table : int16 [4096]
    layers : layer0, layer1, layer2
    tables : uint32 counts zz [48, 9], zn [48, 2, 5, 6], nn [2, 5, 5, 4], flags [11, 5, 2], last axes summing to 2^24
    sinh : float64 [3072]
    """

    log_table: npt.NDArray[np.int16]
    layers: Mapping[str, Layer]
    tables: Mapping[str, npt.NDArray[np.uint32]]
    sinh: npt.NDArray[np.float64]


def check_arrays(spec: LappedSpec, arrays: LappedArrays) -> None:
    """Check that the arrays follow the format.

    Raises
    ------
    ModelMismatchError
        One is missing, of another shape, out of range, or a table does not sum to 2^24.
    """

    def need(holds: bool, what: str) -> None:
        if not holds:
            raise ModelMismatchError(f"model {spec.name!r}: expected {what}; reinstall the model")

    need(1 <= spec.stages <= MAX_STAGES, f"1 to {MAX_STAGES} stages, found {spec.stages}")
    need(arrays.log_table.shape == (LOG_ENTRIES,), f"{LOG_ENTRIES} logarithms")
    need(int(np.abs(arrays.log_table.astype(np.int32)).max()) <= MAX_ACTIVATION, "logarithms within +-1023")
    need(arrays.sinh.shape == (SINH_ENTRIES,), f"{SINH_ENTRIES} entries of the expansion table")
    for name, shape in LAYER_SHAPES.items():
        layer = arrays.layers.get(name)
        if layer is None or layer.weight.shape != shape or layer.bias.shape != shape[:1]:
            raise ModelMismatchError(f"model {spec.name!r}: expected {name} of shape {shape}; reinstall the model")
        reach = np.abs(layer.weight.astype(np.int64)).sum(axis=1) * MAX_ACTIVATION + np.abs(layer.bias.astype(np.int64))
        need(0 <= layer.shift <= MAX_SHIFT and int(reach.max()) < 1 << 31, f"sums of {name} within 32 bits")
    for name, table_shape in TABLE_SHAPES.items():
        table = arrays.tables.get(name)
        if table is None or table.shape != table_shape:
            raise ModelMismatchError(f"model {spec.name!r}: expected tables {name} of {table_shape}; reinstall it")
        sums = table.astype(np.int64).sum(axis=-1)
        need(int(table.min()) >= 2 and bool((sums == TOTAL).all()), f"{name}: counts of at least 2 summing to 2^24")
