"""The parts of a trellis model (docs/format.md, 9.11): its arrays and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radcodec.base.lapped.spec import (
    FLAG_PLANES,
    MAX_ACTIVATION,
    MAX_SHIFT,
    N_BUCKETS,
    TOTAL,
    LappedArrays,
    LappedSpec,
    check_arrays,
)
from radcodec.base.trellis.atoms import AtomArrays, check_atoms
from radcodec.errors import ModelMismatchError

PHASES = 3
N_INPUTS = 44
HIDDEN = 32
OUTPUTS = 2
N_FINE = 16  # buckets of coefficients that are not zero
RANKS = 3
CLASSES = 5
CODEBOOKS = 2
POINT_CLASSES = 6
POINT_LIMIT = 32
EXACT = 1 << 24
WEIGHT_SHAPES = {
    "wide0": (PHASES, HIDDEN, N_INPUTS),
    "wide1": (PHASES, HIDDEN, HIDDEN),
    "wide2": (PHASES, OUTPUTS, HIDDEN),
}
WIDE_TABLES = {
    "wide_zz": (CLASSES, N_BUCKETS, 9),
    "wide_zn": (CLASSES, 2, N_BUCKETS, RANKS, 6),
    "wide_nn": (CLASSES, N_FINE, RANKS, RANKS, 4),
    "wide_flags": (FLAG_PLANES, 5, 2),
}
N_ROWS = sum(int(np.prod(shape[:-1])) for shape in WIDE_TABLES.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class WideLayer:
    """One layer of the three networks: weight int8 [3, O, I], bias int32 [3, O], shifts of each."""

    weight: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    shifts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WideArrays:
    """What a trellis model has beyond a lapped one.

    layers : wide0, wide1, wide2
    tables : uint32 counts of the shapes of WIDE_TABLES, last axes summing to 2^24
    points : int16 [2, 6, 3], corrections of reconstruction points in 64ths of a step
    atoms : the codebook of atoms; None without one
    """

    layers: Mapping[str, WideLayer]
    tables: Mapping[str, npt.NDArray[np.uint32]]
    points: npt.NDArray[np.int16]
    atoms: AtomArrays | None = None


def check_wide(spec: LappedSpec, arrays: LappedArrays, wide: WideArrays) -> None:
    """Check that the arrays follow the format.

    Raises
    ------
    ModelMismatchError
        One is missing, of another shape, out of range, or a table does not sum to 2^24.
    """

    def need(holds: bool, what: str) -> None:
        if not holds:
            raise ModelMismatchError(f"model {spec.name!r}: expected {what}; reinstall the model")

    check_arrays(spec, arrays)
    for name, shape in WEIGHT_SHAPES.items():
        layer = wide.layers.get(name)
        if layer is None or layer.weight.shape != shape or layer.bias.shape != shape[:2] or len(layer.shifts) != PHASES:
            raise ModelMismatchError(f"model {spec.name!r}: expected {name} of shape {shape}; reinstall the model")
        reach = np.abs(layer.weight.astype(np.int64)).sum(axis=2) * MAX_ACTIVATION + np.abs(layer.bias.astype(np.int64))
        need(all(0 <= shift <= MAX_SHIFT for shift in layer.shifts), f"shifts of {name} from 0 to {MAX_SHIFT}")
        need(int(reach.max()) < EXACT, f"sums of {name} under 2^24")
    for name, table_shape in WIDE_TABLES.items():
        table = wide.tables.get(name)
        if table is None or table.shape != table_shape:
            raise ModelMismatchError(f"model {spec.name!r}: expected tables {name} of {table_shape}; reinstall it")
        sums = table.astype(np.int64).sum(axis=-1)
        need(int(table.min()) >= 2 and bool((sums == TOTAL).all()), f"{name}: counts of at least 2 summing to 2^24")
    need(wide.points.shape == (CODEBOOKS, POINT_CLASSES, RANKS), "codebooks of [2, 6, 3] points")
    need(int(np.abs(wide.points.astype(np.int32)).max()) <= POINT_LIMIT, f"points within +-{POINT_LIMIT}")
    if wide.atoms is not None:
        check_atoms(spec.name, wide.atoms)
