"""The native core loaded: one library, the variant that the processor can run, checked once.

The C sources in ``radcodec/native`` say what each function does. Here types, contiguity and sizes are checked, and
numbers are handed over. Calls release the GIL.
"""

from __future__ import annotations

import ctypes
import os
import sys
from ctypes import (
    POINTER,
    Structure,
    c_double,
    c_float,
    c_int8,
    c_int16,
    c_int32,
    c_int64,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
)
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ABI = 4
LIBRARY = {"win32": "_core.dll", "darwin": "_core.dylib"}.get(sys.platform, "_core.so")
VARIANTS = ("base", "avx2", "avx512")

OK, NO_SPACE, BAD_STREAM, UNFIT, BAD_ARGUMENT = range(5)
CODE, DECODE, COST = range(3)


class Taps(Structure):
    """``rcz_taps``: coefficients of a predictor and its border sets."""

    _fields_ = [
        ("radius", c_int64),
        ("border", c_int64),
        ("reach", c_int64),
        ("above", POINTER(c_double)),
        ("own", POINTER(c_double)),
        ("left", POINTER(c_double)),
        ("right", POINTER(c_double)),
    ]


class Earlier(Structure):
    """``rcz_earlier``: taps in earlier planes, and room for these."""

    _fields_ = [
        ("lags", c_int64),
        ("stride", c_int64),
        ("period", c_int64),
        ("radii", POINTER(c_int64)),
        ("coefs", POINTER(c_double)),
        ("values", POINTER(c_double)),
        ("n_values", c_int64),
        ("blend", c_int64),
        ("errors", POINTER(c_double)),
        ("n_errors", c_int64),
    ]


class Pass(Structure):
    """``rcz_pass``: a tile and how it is predicted."""

    _fields_ = [
        ("planes", c_int64),
        ("height", c_int64),
        ("width", c_int64),
        ("special", POINTER(c_uint8)),
        ("taps", Taps),
        ("earlier", Earlier),
        ("level", c_int64),
        ("clamp", c_int64),
        ("quantum", c_int64),
        ("mantissa", c_int64),
        ("fill", c_double),
        ("scratch", POINTER(c_uint8)),
        ("scratch_bytes", c_int64),
    ]


class Symbols(Structure):
    """``rcz_symbols``: what the encoder's pass fills."""

    _fields_ = [
        ("tables", POINTER(c_uint16)),
        ("symbols", POINTER(c_uint8)),
        ("capacity", c_int64),
        ("raw", POINTER(c_uint8)),
        ("raw_bytes", c_int64),
        ("n_symbols", c_int64),
        ("n_bits", c_int64),
    ]


class Streams(Structure):
    """``rcz_streams``: what the decoder's pass reads."""

    _fields_ = [
        ("cumulative", POINTER(c_uint32)),
        ("starts", POINTER(c_uint8)),
        ("rows", c_int64),
        ("words", POINTER(c_uint32)),
        ("n_words", c_int64),
        ("raw", POINTER(c_uint8)),
        ("raw_bytes", c_int64),
        ("n_bits", c_int64),
    ]


class Network(Structure):
    """``rcz_network``: the integer network of a lapped model."""

    _fields_ = [
        ("log_table", POINTER(c_int32)),
        ("weight0", POINTER(c_int32)),
        ("bias0", POINTER(c_int32)),
        ("weight1", POINTER(c_int32)),
        ("bias1", POINTER(c_int32)),
        ("weight2", POINTER(c_int32)),
        ("bias2", POINTER(c_int32)),
        ("shift0", c_int32),
        ("shift1", c_int32),
        ("shift2", c_int32),
    ]


class Coder(Structure):
    """``rcz_coder``: where the symbols of a plane go or come from."""

    _fields_ = [
        ("cumulative", POINTER(c_uint32)),
        ("rows", c_int64),
        ("state", c_uint64),
        ("words", POINTER(c_uint32)),
        ("n_words", c_int64),
        ("symbols", POINTER(c_uint8)),
        ("tables", POINTER(c_uint16)),
        ("capacity", c_int64),
        ("n", c_int64),
    ]


class Prices(Structure):
    """``rcz_prices``: what the encoder's search gives and asks."""

    _fields_ = [
        ("zero", POINTER(c_float)),
        ("one", POINTER(c_float)),
        ("refine", POINTER(c_float)),
        ("lower", POINTER(c_int32)),
        ("ours", POINTER(c_float)),
        ("theirs", POINTER(c_float)),
    ]


class Plane(Structure):
    """``rcz_plane``: one plane of a tile of a lapped model."""

    _fields_ = [
        ("blocks", c_int64),
        ("columns", c_int64),
        ("n", c_int64),
        ("m", c_int64),
        ("counts", POINTER(c_uint8)),
        ("s", c_int64),
        ("final", c_int64),
        ("shift", c_int64),
        ("p", POINTER(c_int32)),
        ("q", POINTER(c_int32)),
        ("sign", POINTER(c_int8)),
        ("act", POINTER(c_int32)),
        ("before", POINTER(c_int32)),
        ("exists", POINTER(c_int32)),
        ("scratch", POINTER(c_uint8)),
        ("scratch_bytes", c_int64),
    ]


class Wide(Structure):
    """``rcz_wide``: the wide network and the codebooks of a trellis model."""

    _fields_ = [
        ("log_table", POINTER(c_int32)),
        ("weight0", POINTER(c_int16)),
        ("weight1", POINTER(c_int16)),
        ("weight2", POINTER(c_int16)),
        ("bias0", POINTER(c_int32)),
        ("bias1", POINTER(c_int32)),
        ("bias2", POINTER(c_int32)),
        ("shifts", POINTER(c_int32)),
        ("points", POINTER(c_int32)),
    ]


class Search(Structure):
    """``rcz_search``: what the search for a path through the trellis gives and asks."""

    _fields_ = [
        ("zero", POINTER(c_float)),
        ("one", POINTER(c_float)),
        ("refine", POINTER(c_float)),
        ("target", POINTER(c_float)),
        ("bits", POINTER(c_float)),
        ("weight", c_float),
        ("spent", c_double),
        ("choice", POINTER(c_uint8)),
        ("order", POINTER(c_int64)),
    ]


_F64, _I64, _I32 = POINTER(c_double), POINTER(c_int64), POINTER(c_int32)
_U8, _U16, _U32 = POINTER(c_uint8), POINTER(c_uint16), POINTER(c_uint32)
_TYPES: dict[np.dtype[Any], Any] = {
    np.dtype(np.float64): _F64,
    np.dtype(np.float32): POINTER(c_float),
    np.dtype(np.int64): _I64,
    np.dtype(np.int32): _I32,
    np.dtype(np.int8): POINTER(c_int8),
    np.dtype(np.int16): POINTER(c_int16),
    np.dtype(np.uint8): _U8,
    np.dtype(np.bool_): _U8,
    np.dtype(np.uint16): _U16,
    np.dtype(np.uint32): _U32,
}
# Types without elements: ctypes makes one of a buffer in a tenth of the time that a pointer takes.
_BUFFERS: dict[np.dtype[Any], Any] = {dtype: kind._type_ * 0 for dtype, kind in _TYPES.items()}
# Result and arguments of every function that has variants.
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "pass_bytes": (c_int64, [c_int64, c_int64]),
    "encode_float": (c_int32, [POINTER(Pass), _F64, POINTER(Symbols)]),
    "encode_int": (c_int32, [POINTER(Pass), _I64, _F64, _F64, _F64, POINTER(Symbols)]),
    "decode_float": (c_int32, [POINTER(Pass), POINTER(Streams), _F64]),
    "decode_int": (c_int32, [POINTER(Pass), POINTER(Streams), _F64, _F64, c_int32, _I64]),
    "ans_encode": (c_int64, [_U8, _U16, c_int64, _U32, c_int64, c_int64, _U32, c_int64]),
    "count_symbols": (c_int32, [_U8, _U16, c_int64, _I64, c_int64, c_int64]),
    "impulse_response": (c_int32, [_F64, c_int64, _F64, _F64]),
    "covariance": (c_int32, [_F64, c_int64, _F64]),
    "best_coefficients": (c_int32, [_F64, c_int64, _I64, _I64, c_int64, _F64, _F64]),
    "cholesky_solve": (c_int32, [_F64, _F64, c_int64]),
    "rice_read": (c_int32, [_U8, c_int64, _I64, c_int64]),
    "rice_bits": (c_int64, [_I64, c_int64]),
    "round_to_plane": (c_double, [_F64, _F64, c_int64, _F64, _F64]),
    "weighted_error": (c_double, [_F64, c_int64, _F64, _F64, c_int64, c_int64, _F64]),
    "local_error": (c_int32, [_F64, c_int64, _F64, _U8, c_int64, c_int64, _F64, _F64, _F64]),
    "products_bytes": (c_int64, [c_int64, c_int64, c_int64]),
    "products": (c_int32, [_F64, c_int64, c_int64, c_int64, _F64, _I64, c_int32, _F64, _U8, c_int64]),
    "error_sums": (c_int32, [_F64, c_int64, _F64, _U8, c_int64, c_int64, _F64, _F64, _F64]),
    "forward": (c_int32, [_F64, c_int64, c_int64, _F64]),
    "backward": (c_int32, [_F64, c_int64, c_int64, _F64]),
    "float_quantum": (c_int32, [_F64, c_int64, _I64, _I64]),
    "corrections_bytes": (c_int64, [c_int64]),
    "encode_corrections": (c_int64, [_I32, _U8, _I32, c_int64, c_int64, _U8, c_int64, _U8, c_int64]),
    "decode_corrections": (c_int32, [_I32, _U8, c_int64, c_int64, _U8, c_int64, _I32, _U8, c_int64]),
    "counted_bytes": (c_int64, [c_int64, c_int64]),
    "encode_counted": (c_int64, [_U16, *[c_int64] * 5, c_int32, _U8, c_int64, _U8, c_int64]),
    "decode_counted": (c_int32, [_U8, *[c_int64] * 6, c_int32, _U16, _U8, c_int64]),
    "plane_bytes": (c_int64, [c_int64, c_int64, c_int64]),
    "walk_plane": (c_int32, [c_int32, POINTER(Plane), POINTER(Network), POINTER(Coder), POINTER(Prices)]),
    "trellis_bytes": (c_int64, [c_int64, c_int64, c_int64]),
    "trellis_plane": (
        c_int32,
        [c_int32, POINTER(Plane), POINTER(Wide), POINTER(Coder), POINTER(Search), _I32, POINTER(c_int16)],
    ),
    "self_check": (c_int32, [c_double, c_double, c_double]),
}


def pointer(array: npt.NDArray[Any] | None, dtype: npt.DTypeLike, size: int | None = None) -> Any:
    """Return the address of an array's samples, None for None.

    Raises
    ------
    TypeError, ValueError
        If the array is of another type, not contiguous, or has another number of samples than ``size``.
    """
    if array is None:
        return None
    if array.dtype != np.dtype(dtype):
        raise TypeError(f"native core: expected samples of type {np.dtype(dtype)}, found {array.dtype}")
    if not array.flags.c_contiguous or (size is not None and array.size != size):
        raise ValueError(f"native core: expected {size} contiguous samples, found shape {array.shape}")
    # Not a cast of the bare address: what is returned must keep a temporary array alive while C works on it.
    if array.flags.writeable:
        return _BUFFERS[array.dtype].from_buffer(array)
    return array.ctypes.data_as(_TYPES[array.dtype])


def check(status: int, what: str) -> None:
    """Raise ValueError if a function says that an argument is out of its range."""
    if status == BAD_ARGUMENT:
        raise ValueError(f"native core: {what} is out of range")


class Core:
    """The functions of one variant of the library, as attributes without prefix and suffix."""

    def __init__(self, library: ctypes.CDLL, variant: str) -> None:
        self.variant = variant
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, f"rcz_{name}_{variant}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:  # what the loop above sets; says so to type checkers
        raise AttributeError(name)


def library_path() -> Path:
    """Return the path where the build puts the library; RADCODEC_CORE names another, such as one with sanitizers."""
    named = os.environ.get("RADCODEC_CORE")
    if named:
        return Path(named).resolve()
    return Path(__file__).resolve().parents[1] / "native" / LIBRARY


def _contracts(core: Core) -> bool:
    """Tell whether sums of products are not those of products that are rounded first.

    (1 + 2^-30)^2 - 1 - 2^-29 is 2^-60 where a product is not rounded before its sum, and 0 where it is. It is asked of
    single numbers, and of the loop that predicts a row, since a compiler may contract the one and not the other.
    """
    a, width = 1.0 + 2.0**-30, 67  # no multiple of any number of lanes
    if core.self_check(a, a, -1.0 - 2.0**-29) != OK:
        return True
    padded = np.full((2, width + 2), a)  # a row of them above a row of zeros
    padded[1] = 0.0
    coefs, weight, row = np.array([-a, a, 0.0, 0.0]), np.ones(width), np.empty(width)
    given, weights, predicted = (pointer(array, np.float64) for array in (coefs, weight, row))
    error = core.weighted_error(pointer(padded, np.float64), 1, given, weights, 1, width, predicted)
    return bool(error != 0.0)


def load(variant: str | None = None) -> Core:
    """Load the library and check it.

    Parameters
    ----------
    variant
        One of VARIANTS; the best that this processor can run for None.

    Raises
    ------
    ImportError
        If the library is missing, of another version, or does not compute as it must.
    """
    path = library_path()
    try:
        library = ctypes.CDLL(str(path))
    except OSError as err:
        raise ImportError(
            f"the native core of radcodec does not load ({err}): install radcodec again; in a checkout run "
            "pip install -e ."
        ) from err
    if library.rcz_abi() != ABI:
        raise ImportError(f"expected version {ABI} of the native core, found {library.rcz_abi()}: install again")
    best = min(library.rcz_cpu_level(), len(VARIANTS) - 1)
    there = [name for name in VARIANTS[: best + 1] if hasattr(library, f"rcz_self_check_{name}")]
    chosen = variant or there[-1]
    if chosen not in there:
        raise ImportError(f"expected one of the variants {there} of the native core, found {chosen!r}")
    core = Core(library, chosen)
    if _contracts(core):
        raise ImportError(
            f"the native core in {path} was compiled with fused multiply-adds and would decode to other values: "
            "build it with -ffp-contract=off"
        )
    return core


@cache
def core() -> Core:
    """Return the library, loaded when it is first used."""
    return load()
