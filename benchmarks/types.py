"""Types that all rooms of the benchmarks share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64 as F64

Array = npt.NDArray[Any]
F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
Row = dict[str, str]
"""One row of a results file, as text, by column."""
Cells = dict[str, object]
"""Cells of a row that is yet to be written, by column."""
