"""Read pickled batches without running their code.

The data sets of this package come as pickles, and a pickle is a program. This reader knows the few names that batches
of numbers need. None of them reaches NumPy or Python: small classes below replace them and check their arguments.
Everything else is refused. The unpickler allocates by declared sizes, so the file's size, declared lengths and memo
indices are checked first.

Batches were written by Python 2 and 3, by NumPy 1 and 2, in protocols 2 to 5.
"""

from __future__ import annotations

import io

# The one place in radcodec where pickle may be imported (see [tool.importlinter]): the published batches are pickles.
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.errors import InputError, UnsupportedDataError
from radcodec.limits import MAX_BATCH_BYTES, MAX_BATCH_DEPTH, MAX_BATCH_ENTRIES, MAX_BATCH_SCALAR_BYTES

#: The content of a batch: dictionaries, lists, numbers, text, bytes, arrays.
Plain = Any

_PLAIN_DTYPE = re.compile(r"[|<>=]?(?:b1|[iu][1248]|f[248]|[SU][0-9]{1,4})")
_ORDERS = ("|", "<", ">", "=")


def read_pickle(path: Path) -> Plain:
    """Read a pickled batch: dict, list, tuple, str, bytes, numbers, None and arrays of numbers or text.

    Text of Python 2 becomes str (Latin-1).

    Raises
    ------
    InputError
        The file is missing, too large, cut short or not a pickle.
    UnsupportedDataError
        It needs more than plain data.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a pickled batch, found no file (radcodec.training.datasets fetches them)")
    size = path.stat().st_size
    if size > MAX_BATCH_BYTES:
        raise InputError(f"{path}: expected a batch of at most {MAX_BATCH_BYTES} bytes, found {size}")
    content = path.read_bytes()
    try:
        _check_opcodes(content)
        loaded = _Unpickler(io.BytesIO(content), encoding="latin1").load()
        return _Flattener().flatten(loaded, MAX_BATCH_DEPTH)
    except UnsupportedDataError as err:
        raise UnsupportedDataError(f"{path}: {err}") from err
    # The unpickler raises any of these for a malformed file (see the note in its documentation).
    except (pickle.UnpicklingError, ValueError, TypeError, AttributeError, EOFError, IndexError, KeyError) as err:
        raise InputError(f"{path}: expected a pickled batch, found something else ({err})") from err


def _check_opcodes(content: bytes) -> None:
    """Check lengths and memo indices; raise ValueError for those that the content cannot fill."""
    for step, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        # The C unpickler allocates a memo up to the largest index; each entry needs an opcode.
        if opcode.name in ("BINPUT", "LONG_BINPUT", "PUT") and int(argument or 0) > step:
            raise ValueError(f"memo index {argument} at opcode {step}")


class _DType:
    """Replacement of numpy.dtype, for numbers or text of a fixed size."""

    def __init__(self, spec: str, align: object = False, copy: object = False) -> None:
        if not _PLAIN_DTYPE.fullmatch(spec):
            raise UnsupportedDataError(f"expected arrays of numbers or text, found the dtype {str(spec)[:40]!r}")
        self.dtype: np.dtype[Any] = np.dtype(spec)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order, subdtype, names, fields = state[1:5]
        if order not in _ORDERS or subdtype is not None or names is not None or fields is not None:
            raise UnsupportedDataError("expected arrays of numbers or text, found a structured dtype")
        self.dtype = self.dtype if order == "|" else self.dtype.newbyteorder(order)


class _Array:
    """Replacement of numpy.ndarray."""

    def __init__(self, *_: object) -> None:
        self.array: npt.NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _DType) or not isinstance(data, bytes | bytearray | str):
            raise UnsupportedDataError("expected an array of numbers or text, found one of objects")
        flat = np.frombuffer(_bytes_of(data), dtype=dtype.dtype)
        self.array = flat.reshape(tuple(map(int, shape)), order="F" if fortran else "C")


def _read_buffer(data: object, dtype: object, shape: tuple[int, ...], order: str) -> _Array:
    """Replace numpy's _frombuffer, which protocol 5 uses."""
    array = _Array()
    array.__setstate__((1, shape, dtype, order == "F", data))
    return array


def _read_scalar(dtype: object, data: object) -> str | int | float | bytes:
    """Replace numpy's scalar."""
    if (
        not isinstance(dtype, _DType)
        or not isinstance(data, bytes | str)
        or dtype.dtype.itemsize > MAX_BATCH_SCALAR_BYTES
    ):
        raise UnsupportedDataError("expected a number or text, found another NumPy scalar")
    value: str | int | float | bytes = np.frombuffer(_bytes_of(data), dtype=dtype.dtype).reshape(1)[0].item()
    return value


def _encode_text(text: str, codec: str) -> bytes:
    """Replace _codecs.encode, with which Python 3 writes bytes in protocol 2."""
    if codec != "latin1":
        raise UnsupportedDataError(f"expected bytes written as latin1, found {str(codec)[:40]!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """Replace bytes, which Python 3 names in protocol 2 for empty ones."""
    return b""


def _join_path(*parts: str) -> str:
    """Replace pathlib.PosixPath, which a later script of Radio Galaxy Zoo wrote as batch_label."""
    return "/".join(parts)


class _Function:
    """A function that a pickle can call, and whose attributes it cannot change."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> object:
        """Call it."""
        return self._call(*arguments)

    def __setstate__(self, state: object) -> None:
        raise UnsupportedDataError("expected plain data, found a pickle that changes a function")


def _bytes_of(data: bytes | bytearray | str) -> bytes:
    """Return bytes; those of Python 2 come as str."""
    return data.encode("latin1") if isinstance(data, str) else bytes(data)


_STANDINS: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _Array,
    ("_codecs", "encode"): _Function(_encode_text),
    ("__builtin__", "bytes"): _Function(_no_bytes),
    ("pathlib", "PosixPath"): _Function(_join_path),
    # NumPy 1 and 2 have different names for the same module.
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Function(_read_scalar) for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _Function(_read_buffer) for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    """The unpickler that knows only the replacements."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name."""
        try:
            return _STANDINS[module, name]
        except KeyError:
            raise UnsupportedDataError(f"expected plain data, found a pickle that needs {module}.{name}") from None


class _Flattener:
    """Unwrap replacements, and count entries: a small pickle can repeat one list a million times."""

    def __init__(self) -> None:
        self._entries = 0

    def flatten(self, value: Any, depth: int) -> Plain:
        """Return the value without stand-ins."""
        if isinstance(value, _Array) and value.array is not None:
            return value.array
        if value is None or isinstance(value, str | bytes | int | float):
            return value
        if not isinstance(value, dict | list | tuple):
            raise UnsupportedDataError(f"expected plain data, found a {type(value).__name__.strip('_')}")
        self._entries += len(value)
        if depth == 0 or self._entries > MAX_BATCH_ENTRIES:
            raise UnsupportedDataError(
                f"expected at most {MAX_BATCH_DEPTH} levels and {MAX_BATCH_ENTRIES} entries, found more"
            )
        if isinstance(value, dict):
            return {self.flatten(key, 0): self.flatten(item, depth - 1) for key, item in value.items()}
        return type(value)(self.flatten(item, depth - 1) for item in value)
