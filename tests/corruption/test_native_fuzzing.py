"""A coverage-guided fuzzer finds nothing in the core's decoders: what it once found, and a few seconds of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from native_cases import export
from native_cases.programs import compile_fuzzer

FOUND = Path(__file__).resolve().parent / "cases" / "native"
CLANG = shutil.which("clang")
LEAST_RUNS = 2000
pytestmark = [
    pytest.mark.skipif(CLANG is None or sys.platform != "linux", reason="needs clang with libFuzzer"),
    pytest.mark.timeout(600),
]


def fuzz(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The fuzzer run."""
    environment = os.environ | {"RADCODEC_TABLES": str(folder / "tables.bin")}
    command = [str(folder / "fuzz"), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fuzzer with its tables and seeds."""
    out = tmp_path_factory.mktemp("fuzz")
    try:
        compile_fuzzer(str(CLANG), out)
    except subprocess.CalledProcessError:
        pytest.skip("clang lacks libFuzzer or the sanitizers (Debian: libclang-rt-dev)")
    export.export(out)
    return out


def test_inputs_that_were_found(folder: Path) -> None:
    """No input that once reached new branches or ended the program does so again.

    ``trellis-...`` reaches the last price of a search: a planted overflow there was found by it.
    """
    inputs = sorted(FOUND.iterdir())
    assert inputs
    done = fuzz(folder, *inputs)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stderr.count("Executed ") == len(inputs)


def test_a_few_seconds(folder: Path, tmp_path: Path) -> None:
    """Mutants of golden streams reach no access out of bounds, overflow or wrong cast."""
    limits = ("-max_len=4000", "-len_control=0", "-max_total_time=8", "-timeout=60", f"-artifact_prefix={tmp_path}/")
    done = fuzz(folder, *limits, tmp_path, folder / "seeds", FOUND)
    assert done.returncode == 0, done.stderr[-4000:]
    runs = re.search(r"Done (\d+) runs", done.stderr)
    assert runs is not None, done.stderr[-4000:]
    assert int(runs[1]) >= LEAST_RUNS
