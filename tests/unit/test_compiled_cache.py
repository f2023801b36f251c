"""numba's cache: its key is the source of all kernels, and where there is none the work goes on."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import radcodec

PACKAGE = Path(radcodec.__file__).parent
PARTS = """from radcodec.compiled import part
from radcodec.constants import OFFSET
@part
def helper(x):
    return x + OFFSET
"""
CALLERS = """from radcodec.compiled import kernel
from radcodec.parts import helper
@kernel
def caller(x):
    return 10 * helper(x)
"""
CALL = (
    "from radcodec.callers import caller as f; print(f(4), sum(f.stats.cache_hits.values()), "
    "sum(f.stats.cache_misses.values()))"
)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A package of this one's name with a kernel, a part that it calls, and a constant of that part, a module each."""
    folder = tmp_path / "radcodec"
    folder.mkdir()
    shutil.copy(PACKAGE / "compiled.py", folder)
    for name, text in {"__init__": "", "parts": PARTS, "callers": CALLERS, "constants": "OFFSET = 1\n"}.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def _without_power() -> None:
    """Take from the child of a privileged user the power to write where permissions forbid it (CAP_DAC_OVERRIDE)."""
    if os.geteuid() == 0 and sys.platform == "linux":
        libc = ctypes.CDLL(None)
        for capability in (1, 2):
            assert libc.prctl(24, capability, 0, 0, 0) == 0


def _python(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "PYTHONPATH": str(folder.parent), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        cwd=folder.parent,
        preexec_fn=_without_power,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def _call(folder: Path, **environment: str) -> list[int]:
    """Result, cache hits and misses of a call of the kernel in a new process."""
    done = _python(CALL, folder, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return [int(word) for word in done.stdout.split()]


def test_a_change_in_a_part_is_seen_by_its_callers(small: Path) -> None:
    """A kernel comes from the cache until the part it calls, or a constant of that part, changes in another file."""
    assert _call(small) == [50, 0, 1]
    assert _call(small) == [50, 1, 0]
    (small / "parts.py").write_text(PARTS.replace("x + OFFSET", "x - OFFSET"))
    assert _call(small) == [30, 0, 1]
    (small / "constants.py").write_text("OFFSET = 2\n")
    assert _call(small) == [20, 0, 1]
    assert _call(small) == [20, 1, 0]


def test_a_touched_file_is_no_change(small: Path) -> None:
    """The key is what the sources hold, not their times: a copy of a package keeps its cache."""
    assert _call(small) == [50, 0, 1]
    for path in small.glob("*.py"):
        os.utime(path, (1, 1))
    assert _call(small) == [50, 1, 0]


def test_a_damaged_cache_is_compiled_again(small: Path) -> None:
    """Cut or overwritten files of the cache cost time and nothing else; the cache is whole again after."""
    for suffix in ("nbi", "nbc"):
        _call(small)
        for path in (small / "__pycache__").glob(f"*.{suffix}"):
            path.write_bytes(path.read_bytes()[:20])
        assert _call(small)[0] == 50
        assert _call(small) == [50, 1, 0]


def _read_only(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)


@pytest.fixture
def _writable_again(tmp_path: Path) -> Any:
    yield
    for path in [tmp_path, *tmp_path.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)


@pytest.mark.usefixtures("_writable_again")
@pytest.mark.skipif(sys.platform != "linux", reason="takes capabilities away as Linux has them")
def test_read_only_package_and_home(small: Path, tmp_path: Path) -> None:
    """Without a folder to write to a kernel is compiled, and one warning names NUMBA_CACHE_DIR; with it, it is kept."""
    _read_only(small)
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    done = _python(CALL, small, HOME=str(home), XDG_CACHE_HOME=str(home / "cache"))
    assert done.stdout.split()[0] == "50", done.stderr
    assert done.stderr.count("NUMBA_CACHE_DIR") == 1
    kept = tmp_path / "kept"
    kept.mkdir()
    assert _call(small, HOME=str(home), NUMBA_CACHE_DIR=str(kept)) == [50, 0, 1]
    assert _call(small, HOME=str(home), NUMBA_CACHE_DIR=str(kept)) == [50, 1, 0]


@pytest.mark.usefixtures("_writable_again")
@pytest.mark.skipif(sys.platform != "linux", reason="takes capabilities away as Linux has them")
def test_command_line_without_a_cache(tmp_path: Path) -> None:
    """``compress`` and ``decompress`` of a read-only installation work, with one line of warning and exit code 0."""
    root = tmp_path / "site"
    shutil.copytree(PACKAGE, root / "radcodec", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PACKAGE.parent / "models", root / "models")
    _read_only(root)
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir(mode=0o555)
    work.mkdir()
    image = np.random.default_rng(2).integers(0, 9, (24, 24)).astype(np.int16)
    radcodec.decompress(radcodec.encode(image), work / "x.fits")
    environment = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "c"), "XDG_CONFIG_HOME": str(home / "d")}
    arguments = ["compress", str(work / "x.fits"), "--no-preview", "--quiet"]
    code = f"import sys; from radcodec.cli.app import run; sys.exit(run({arguments!r}))"
    done = _python(code, root / "radcodec", **environment)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("radcodec: warning: ")
    assert "NUMBA_CACHE_DIR" in lines[0]
    assert np.array_equal(radcodec.decode((work / "x.fits.rcz").read_bytes()), image)
