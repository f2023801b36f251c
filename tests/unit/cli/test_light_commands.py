"""What commands import: a new process should spend its time on the file, not on modules that it never uses."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from child_commands import RUN_COMMAND

import radcodec
from radcodec.simulate import simulate_fits

# Of the standard library: what takes a tenth of the time of `radcodec info` together.
SLOW_TO_IMPORT = ("pathlib", "urllib.parse", "tempfile", "shutil", "random", "logging", "tomllib", "fractions")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a FITS file and the exact file of it."""
    folder = tmp_path_factory.mktemp("light")
    (folder / "a.fits").write_bytes(simulate_fits((48, 48), seed=3))
    radcodec.compress(folder / "a.fits", folder / "a.rcz", effort=1)
    return folder


def modules_after(folder: Path, *arguments: str) -> set[str]:
    """Return the modules that a fresh process has imported when a command has ended."""
    code = "import sys" + RUN_COMMAND.format(argv=["radcodec", *arguments]) + "print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return set(ast.literal_eval(done.stdout.splitlines()[-1]))


def test_info_imports_what_it_needs(files: Path) -> None:
    """``radcodec info`` reads a header and an index: it imports no encoder, no NumPy, and little of the library."""
    loaded = modules_after(files, "info", "a.rcz")
    assert not loaded & {*SLOW_TO_IMPORT, "numpy", "radcodec.writing", "radcodec.streaming", "radcodec.reading"}
    assert not [name for name in loaded if name.startswith("radcodec.encoding")]


def test_help_imports_no_work() -> None:
    """``radcodec --help`` imports the command line alone."""
    loaded = modules_after(Path.cwd(), "--help")
    assert not loaded & {"numpy", "dataclasses", "pathlib", "radcodec.api", "radcodec.container", "radcodec.runtime"}


def test_compressing_imports_no_other_mode(files: Path) -> None:
    """An exact compression imports neither masked arrays nor what lossy files, streams and cut-outs take."""
    loaded = modules_after(files, "compress", "a.fits", "b.rcz", "--threads", "1")
    assert "radcodec.encoding.fits_file" in loaded
    unused = ("numpy.ma", "astropy", "random", "radcodec.streaming", "radcodec.reading")
    unused += ("radcodec.encoding.lossy", "radcodec.encoding.bound_rate", "concurrent.futures", "logging")
    assert not loaded & set(unused)


def test_restoring_imports_no_encoder(files: Path) -> None:
    """``decompress`` imports nothing of the encoder's and no masked arrays."""
    loaded = modules_after(files, "decompress", "a.rcz", "back.fits", "--threads", "1")
    assert (files / "back.fits").read_bytes() == (files / "a.fits").read_bytes()
    assert not loaded & {"numpy.ma", "astropy", "random", "tempfile", "radcodec.streaming", "radcodec.writing"}
    assert not [name for name in loaded if name.startswith("radcodec.encoding.") and "keywords" not in name]
