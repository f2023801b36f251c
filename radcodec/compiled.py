"""How hot loops are compiled: when they are first called, and kept in numba's cache for the next process.

No fast-math: sums have one order, on every machine. numba's own cache sees a change in the file of a kernel, not in the
files of the parts that it calls. Here the key is a hash of the sources of all kernels and of what they import, so that
after a change in any of them all are compiled anew. Where no folder can be written to, every process compiles.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile

_KERNEL: dict[str, Any] = {"nogil": True, "no_cfunc_wrapper": True}
_PART: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_PACKAGE = Path(__file__).resolve().parent
_IMPORT = re.compile(rf"^\s*(?:from|import) ({__package__}[.\w]*)(?: import (\w+))?", re.MULTILINE)


def _modules_of(names: tuple[str, str]) -> Iterator[Path]:
    """Files that an import statement may mean: ``from a.b import c`` is the module a.b, a.b.c, or the package a.b."""
    for name in (names[0], ".".join(filter(None, names))):
        path = _PACKAGE.joinpath(*name.split(".")[1:])
        if path != _PACKAGE:
            yield from (path.with_suffix(".py"), path / "__init__.py")


@cache
def kernel_stamp() -> str:
    """Hash the sources of all modules with kernels, and of all that these import from this package.

    What they import is part of it since numba compiles the values of global names into a kernel.
    """
    sources = {path: path.read_text(encoding="utf-8") for path in sorted(_PACKAGE.rglob("*.py"))}
    own = Path(__file__).resolve()
    waiting = [path for path, text in sources.items() if f"from {__name__} import" in text]
    found = {own}
    while waiting:
        path = waiting.pop()
        if path in sources and path not in found:
            found.add(path)
            waiting += [module for names in _IMPORT.findall(sources[path]) for module in _modules_of(names)]
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(hashlib.sha256(f"{path.relative_to(_PACKAGE).as_posix()}\n{sources[path]}".encode()).digest())
    return digest.hexdigest()


class _KernelCache(FunctionCache):
    """numba's cache of one function under `kernel_stamp`; what cannot be read or written is compiled instead."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = IndexDataCacheFile(
            cache_path=self._cache_path, filename_base=self._impl.filename_base, source_stamp=kernel_stamp()
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load the compiled function; None where there is none, or where its files are damaged."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever unpickling damaged files raises: the function is compiled instead
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the compiled function. A disk that is full is no reason to stop the work."""
        try:
            super().save_overload(sig, data)
        except OSError:
            _warn_without_cache()


@cache
def _warn_without_cache() -> None:
    """Say, once in a process, that it compiles for itself alone."""
    warnings.warn(
        "compiled code cannot be kept for the next run, since neither the folder of the package nor the user's cache "
        "can be written to; each run compiles again: set NUMBA_CACHE_DIR to a folder that you may write to",
        RuntimeWarning,
        stacklevel=2,
    )


def _cached(dispatcher: Any, function: Callable[..., Any]) -> Any:
    """Give a compiled function its cache, where there is a folder for one."""
    try:
        # What cache=True does, with a class of ours.
        dispatcher._cache = _KernelCache(function)
    except (RuntimeError, OSError):
        # numba: "no locator available".
        _warn_without_cache()
    return dispatcher


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function for calls from Python and from other kernels; it lets other threads run."""
    return _cached(njit(**_KERNEL)(function), function)


def part(function: Callable[..., Any]) -> Any:
    """Compile a function for calls from kernels alone: what Python would call is left out, to save compile time."""
    return _cached(njit(**_PART)(function), function)
