"""Benchmarks of radcodec and of its rivals: ``python -m benchmarks``, in a checkout of the repository.

They are no part of the installed package, because they read and write the checkout's models, results and pages.
"""

from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_FOLDERS = ("radcodec", "models", "docs", "benchmarks/results")
_PACKAGES = ("numpy", "astropy", "zstandard", "radcodec")

if _absent := [name for name in _FOLDERS if not (_ROOT / name).is_dir()]:
    raise ImportError(
        f"the benchmarks need a checkout of the radcodec repository: {_ROOT} has no folder {', '.join(_absent)}. "
        "Clone the repository and run `python -m benchmarks` in it",
        name=__name__,  # with a name, `python -m benchmarks` prints the message without a traceback
    )
if _absent := [name for name in _PACKAGES if find_spec(name) is None]:
    raise ImportError(
        f"the benchmarks need radcodec and its dependencies, but not installed: {', '.join(_absent)}. "
        "Run `pip install '.[bench]'` in the checkout",
        name=__name__,
    )
