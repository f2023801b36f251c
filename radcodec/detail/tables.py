"""The table set of the detail layer: learned symbol counts for every shape, scale and phase (docs/format.md, 8.6)."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
import zstandard

from radcodec.detail.kernels import N_PHASES, N_SYMBOLS, N_TABLES
from radcodec.errors import ModelMismatchError, ModelNotFoundError
from radcodec.limits import MAX_SHAPES
from radcodec.runtime import resources

FILE_NAME = "detail.tables"
#: The set that was trained on simulated images alone (docs/models.md).
CLEAN_NAME = "clean.tables"
TOTAL = 1 << 24
HEAD = struct.Struct("<4I")


@dataclass(frozen=True, kw_only=True)
class TableSet:
    """Cumulative counts of a table set.

    cumulative : uint32 [shape, table * 9 + phase, 129], from 0 to 2**24
    starts : uint8 [shape, table * 9 + phase, 64], the symbol that holds the first quantile of each 64th of the range
    """

    sha256: bytes
    cumulative: npt.NDArray[np.uint32]
    starts: npt.NDArray[np.uint8]

    @property
    def n_shapes(self) -> int:
        """Number of shapes."""
        return int(self.cumulative.shape[0])

    @cached_property
    def bits(self) -> npt.NDArray[np.float64]:
        """Bits [shape, (table * 9 + phase) * 128 + symbol] of every symbol."""
        sizes = np.diff(self.cumulative.astype(np.int64), axis=2).reshape(self.n_shapes, -1)
        return np.asarray(np.log2(float(TOTAL) / sizes.astype(np.float64)))


def pack_tables(counts: npt.NDArray[np.uint32]) -> bytes:
    """File bytes of counts [shapes, 88, 9, 128], each row at least 1 and summing to 2**24."""
    raw = HEAD.pack(*counts.shape) + np.ascontiguousarray(counts, "<u4").tobytes()
    return zstandard.ZstdCompressor(level=19).compress(raw)


def unpack_tables(data: bytes) -> TableSet:
    """Table set of a file's bytes.

    Raises
    ------
    ModelMismatchError
        If the bytes are not a table set of this format version.
    """
    limit = HEAD.size + MAX_SHAPES * N_TABLES * N_PHASES * N_SYMBOLS * 4
    try:
        raw = zstandard.ZstdDecompressor().decompress(data, max_output_size=limit)
        shape = HEAD.unpack_from(raw)
    except (zstandard.ZstdError, struct.error) as err:
        raise ModelMismatchError(f"detail tables: expected one zstd frame of tables, found {err}; reinstall") from err
    n = int(shape[0])
    if shape[1:] != (N_TABLES, N_PHASES, N_SYMBOLS) or len(raw) != HEAD.size + n * N_TABLES * N_PHASES * N_SYMBOLS * 4:
        raise ModelMismatchError(f"detail tables: expected [n, 88, 9, 128], found {shape}; reinstall radcodec")
    counts = np.frombuffer(raw, "<u4", offset=HEAD.size).reshape(n, N_TABLES * N_PHASES, N_SYMBOLS)
    if counts.min() < 1 or np.any(counts.sum(axis=2, dtype=np.int64) != TOTAL):
        raise ModelMismatchError("detail tables: expected counts of at least 1 summing to 2**24; reinstall radcodec")
    cumulative = np.zeros((n, N_TABLES * N_PHASES, N_SYMBOLS + 1), np.uint32)
    np.cumsum(counts, axis=2, out=cumulative[:, :, 1:], dtype=np.uint32)
    return TableSet(sha256=hashlib.sha256(data).digest(), cumulative=cumulative, starts=_starts(cumulative))


def _starts(cumulative: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """Symbol holding quantile i * 2**18, for i = 0..63, of every row."""
    # A symbol ends at or before quantile i if its cumulative count, in 64ths of the range and rounded up, is at most i.
    rows = cumulative.shape[0] * cumulative.shape[1]
    ends = (cumulative[:, :, 1:].reshape(rows, -1).astype(np.int64) + ((1 << 18) - 1)) >> 18
    counts = np.bincount((ends + 65 * np.arange(rows)[:, None]).ravel(), minlength=65 * rows).reshape(rows, 65)
    return np.cumsum(counts[:, :64], axis=1).astype(np.uint8).reshape(*cumulative.shape[:2], 64)


@lru_cache(maxsize=1)
def default_tables() -> TableSet:
    """Table set that radcodec ships.

    Raises
    ------
    ModelNotFoundError
        If the installation lacks it.
    """
    return _load_tables(FILE_NAME)


@lru_cache(maxsize=1)
def clean_tables() -> TableSet:
    """Table set from simulated images alone, which ships beside the default one; raises as `default_tables` does."""
    return _load_tables(CLEAN_NAME)


def _load_tables(name: str) -> TableSet:
    folder = resources.find_models_folder()
    path = folder / name if folder is not None else None
    if path is None or not path.is_file():
        raise ModelNotFoundError(f"detail tables: expected {name} in the models folder; reinstall radcodec")
    return unpack_tables(path.read_bytes())


def find_tables(sha256_prefix: bytes) -> TableSet:
    """Table set whose SHA-256 starts with the eight bytes that a file names.

    Raises
    ------
    ModelNotFoundError
        If it is none of those that ship.
    """
    known = []
    for load in (default_tables, clean_tables):
        known.append(load())
        if known[-1].sha256[:8] == sha256_prefix:
            return known[-1]
    raise ModelNotFoundError(
        f"detail tables: the file needs table set {sha256_prefix.hex()}, installed are "
        f"{' and '.join(tables.sha256[:8].hex() for tables in known)}; use the radcodec version that wrote the file"
    )
