"""Without PyTorch, a file that names a convolutional model is refused in one line that says what to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from radcodec.simulate import simulate_fits

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "files"
# A module that is None in sys.modules is one that is not installed, for whoever imports it.
RUN = "import sys; sys.modules['torch'] = None; from radcodec.cli import main; main()"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command in a process that has no PyTorch."""
    command = [sys.executable, "-c", RUN, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("command", ["decompress", "preview"])
def test_reading_says_which_extra_to_install(command: str, tmp_path: Path) -> None:
    """The exit code is that of a missing model; the line names the model and the extra; no file is left."""
    suffix = "fits" if command == "decompress" else "png"
    done = run(command, GOLDEN / "v0d4_fits_lossy.rcz", tmp_path / f"out.{suffix}")
    assert done.returncode == 4, done.stderr
    assert "general-v0" in done.stderr
    assert "pip install 'radcodec[torch]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_writing_says_which_extra_to_install(tmp_path: Path) -> None:
    """The same where the user names the model."""
    source = tmp_path / "image.fits"
    source.write_bytes(simulate_fits((64, 64), seed=3))
    done = run("compress", source, "--lossy", "--model", "general-v0")
    assert done.returncode == 4, done.stderr
    assert "pip install 'radcodec[torch]'" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.fits"]


def test_other_files_need_no_torch(tmp_path: Path) -> None:
    """A file of a lapped model is restored without PyTorch."""
    done = run("decompress", GOLDEN / "v0d4_fits_lapped.rcz", tmp_path / "out.fits")
    assert done.returncode == 0, done.stderr
