"""How hot loops are compiled: when they are first called, and kept in numba's cache for the next process.

No fast-math: sums have one order, on every machine. numba sees changes in the file of a kernel, not in the files of the
parts that it calls: whoever edits a part deletes the ``__pycache__`` of its callers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

_KERNEL: dict[str, Any] = {"cache": True, "nogil": True, "no_cfunc_wrapper": True}
_PART: dict[str, Any] = {"cache": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def kernel(function: Callable[..., Any]) -> Any:
    """The function compiled, for calls from Python and from other kernels; it lets other threads run."""
    return njit(**_KERNEL)(function)


def part(function: Callable[..., Any]) -> Any:
    """The function compiled for calls from kernels alone: what Python would call is left out, to save compile time."""
    return njit(**_PART)(function)
