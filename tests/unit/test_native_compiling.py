"""How the native core is compiled: the compilers work beside each other, and one that refuses a source ends it all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from radcodec.native import compiling

# A compiler of sources that waits until another one works beside it, and a linker.
PATIENT = """
import sys, time
from pathlib import Path
out = Path(sys.argv[sys.argv.index("-o") + 1])
if "-c" in sys.argv:
    (out.parent / f"{out.name}.started").touch()
    end = time.monotonic() + 60
    while len(list(out.parent.glob("*.started"))) < 2:
        if time.monotonic() > end:
            sys.exit("no other compiler was started")
        time.sleep(0.01)
out.write_text(" ".join(Path(name).name for name in sys.argv if name.endswith(".o")))
"""
REFUSING = "import sys; sys.exit('rcz_no' if any(name.endswith('fit.c') for name in sys.argv) else 0)"


def compiler(folder: Path, source: str) -> list[str]:
    """The command line of a compiler that is a script."""
    (folder / "compiler.py").write_text(source)
    return [sys.executable, str(folder / "compiler.py")]


def test_sources_are_compiled_beside_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine of two cores two compilers work at a time; the library has every object, in the order of sources."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    compiling.compile_core(tmp_path / "core", compiler(tmp_path, PATIENT), "other")
    expected = ["cpu.o", *(f"{Path(name).stem}_base.o" for name in compiling.SOURCES)]
    assert (tmp_path / "core").read_text().split() == expected


def test_a_source_that_is_refused_ends_it(tmp_path: Path) -> None:
    """The error of one compiler is raised, and no library is linked."""
    with pytest.raises(subprocess.CalledProcessError, match="returned non-zero exit status 1"):
        compiling.compile_core(tmp_path / "core", compiler(tmp_path, REFUSING), "other")
    assert not (tmp_path / "core").exists()
