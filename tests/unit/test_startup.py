"""What importing and running imports: nothing heavy before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import radcodec

HEAVY = ("torch", "numba", "astropy", "scipy", "constriction")


def _loaded_after(code: str, *, watched: tuple[str, ...] = HEAVY) -> set[str]:
    """Which of the watched packages a fresh Python has imported after some code."""
    script = f"{code}\nimport sys\nprint([name for name in {watched!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True, timeout=120)
    return set(ast.literal_eval(done.stdout.splitlines()[-1]))


def test_import_is_light() -> None:
    """``import radcodec`` imports none of the heavy packages, nor numpy, nor click."""
    assert _loaded_after("import radcodec", watched=(*HEAVY, "numpy", "click", "zstandard")) == set()


def test_info_is_light(tmp_path: Path) -> None:
    """``radcodec info`` imports none of the heavy packages, nor numpy."""
    path = tmp_path / "a.rcz"
    path.write_bytes(radcodec.encode(np.zeros((4, 4), np.float32)))
    code = f"from radcodec.cli.app import run\nassert run(['info', {str(path)!r}]) == 0"
    assert _loaded_after(code, watched=(*HEAVY, "numpy")) == set()


def test_exact_and_bounded_work_needs_no_torch() -> None:
    """Without a base layer neither way imports torch or astropy."""
    code = (
        "import numpy, radcodec\n"
        "for bound in (None, 0.5):\n"
        "    radcodec.decode(radcodec.encode(numpy.zeros((9, 9)), max_error=bound))"
    )
    assert _loaded_after(code, watched=("torch", "astropy")) == set()


def test_public_names_are_there_and_sorted() -> None:
    """Every public name resolves, they are sorted, and unknown ones raise AttributeError."""
    assert list(radcodec.__all__) == sorted(radcodec.__all__)
    assert all(getattr(radcodec, name) is not None for name in radcodec.__all__)
    assert radcodec.__version__ == "0.2.0.dev0"
    with pytest.raises(AttributeError, match="bogus"):
        _ = radcodec.bogus


def test_functions_are_not_shadowed_by_modules() -> None:
    """After everything was imported the public functions are still functions."""
    radcodec.decode(radcodec.encode(np.zeros(3)))
    for name in ("compress", "cutout", "decode", "decompress", "encode", "estimate", "open", "preview", "verify"):
        assert callable(getattr(radcodec, name)), name


def test_decoding_imports_no_fit() -> None:
    """What only encoders need of the detail layer is not imported to decode."""
    code = (
        "import numpy, radcodec, subprocess, sys\n"
        "data = radcodec.encode(numpy.zeros((9, 9)))\n"
        "script = 'import sys, radcodec; radcodec.decode(sys.stdin.buffer.read()); print(sorted(sys.modules))'\n"
        "done = subprocess.run([sys.executable, '-c', script], input=data, capture_output=True, check=True)\n"
        "assert b'radcodec.detail.stream' in done.stdout, done.stdout\n"
        "assert b'radcodec.detail.fit' not in done.stdout and b'quick_fit' not in done.stdout"
    )
    _loaded_after(code)
