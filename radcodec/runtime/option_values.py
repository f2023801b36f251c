"""Check the type of an option's value. Scalars of NumPy are as good as numbers of Python, and texts are no numbers."""

from __future__ import annotations

import operator
import os
from numbers import Complex, Real
from typing import Any

from radcodec.errors import InputError


def shown(value: object) -> str:
    """Show a value in a message, shortened; Python does not print integers of thousands of digits."""
    try:
        return f"{value!r:.80}"
    except ValueError:
        return f"an {type(value).__name__} too long to show"


def is_true_or_false(value: object) -> bool:
    """Tell whether a value is a bool of Python or NumPy."""
    kind = type(value)
    return kind is bool or (kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_"))


def true_or_false(name: str, value: Any) -> bool:
    """Read a bool; raises InputError for anything else, also for 0 and "no"."""
    if not is_true_or_false(value):
        raise InputError(f"expected {name} to be True or False, found {shown(value)}")
    return bool(value)


def whole_number(name: str, value: Any) -> int:
    """Read an integer; raises InputError for anything else, also for True and 2.0."""
    try:
        if is_true_or_false(value):
            raise TypeError
        return operator.index(value)
    except TypeError as err:
        raise InputError(f"expected {name} to be a whole number, found {shown(value)}") from err


def real_number(name: str, value: Any) -> float:
    """Read a number as a float64; raises InputError for anything else, also for True and "2"."""
    is_complex = isinstance(value, Complex) and not isinstance(value, Real)
    try:
        if is_true_or_false(value) or isinstance(value, (str, bytes, bytearray)) or is_complex:
            raise TypeError
        if getattr(value, "ndim", 0):
            raise TypeError
        return float(value)
    except (TypeError, ValueError) as err:
        raise InputError(f"expected {name} to be a number, found {shown(value)}") from err
    except OverflowError as err:
        raise InputError(f"expected {name} to be a number that a float64 can hold, found {shown(value)}") from err


def name_or_path(name: str, value: Any) -> str:
    """Read a text or a path; raises InputError for anything else."""
    found = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(found, str):
        raise InputError(f"expected {name} to be a name or a path, found {shown(value)}")
    return found
