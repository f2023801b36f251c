"""The native core gives the same numbers on six processors, one of them big-endian, under emulation."""

from __future__ import annotations

import importlib.util
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from native_cases import export
from native_cases.programs import compile_program

from radcodec.native.compiling import find_compiler

# Name of the emulator, of Debian's cross compiler, and of zig's target.
PROCESSORS = {
    "x86_64": ("x86_64-linux-gnu", "x86_64-linux-musl"),
    "aarch64": ("aarch64-linux-gnu", "aarch64-linux-musl"),
    "s390x": ("s390x-linux-gnu", "s390x-linux-musl"),
    "riscv64": ("riscv64-linux-gnu", "riscv64-linux-musl"),
    "ppc64le": ("powerpc64le-linux-gnu", "powerpc64le-linux-musl"),
    "arm": ("arm-linux-gnueabihf", "arm-linux-musleabihf"),
}
LEAST_CASES, LEAST_OF_THE_FEW = 250, 200
KINDS = 8
Vectors = tuple[Path, str]
pytestmark = pytest.mark.timeout(900)  # a minute where nothing else runs


def run(command: list[str], folder: Path, cases: str = "cases.bin") -> subprocess.CompletedProcess[str]:
    """The program run over the cases."""
    arguments = [*command, str(folder / "tables.bin"), str(folder / cases)]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Vectors:
    """The folder of the cases, and the line that this machine's program prints of the few of each sort.

    All cases are decoded and coded again here first.
    """
    compiler = find_compiler()
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs Linux and a C compiler")
    folder = tmp_path_factory.mktemp("vectors")
    assert export.export(folder) >= LEAST_CASES
    compile_program(compiler, [], folder / "here")
    done = run([str(folder / "here")], folder)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+ cases, 0 wrong, hash [0-9a-f]{16}\n", done.stdout)
    done = run([str(folder / "here")], folder, "few.bin")
    found = re.fullmatch(r"(\d+) cases, 0 wrong, hash [0-9a-f]{16}\n", done.stdout)
    assert found is not None, done.stderr
    assert int(found[1]) >= LEAST_OF_THE_FEW
    return folder, done.stdout


def kinds(path: Path) -> set[int]:
    """The kinds of the cases of a file."""
    data, at, found = path.read_bytes(), 0, set()
    while at < len(data):
        found.add(data[at + 8])
        at += 8 + sum(struct.unpack_from("<II", data, at))
    return found


@pytest.mark.parametrize("name", ["cases.bin", "few.bin"])
def test_all_kinds(name: str, vectors: Vectors) -> None:
    """The golden files have a case of each kind, and so have the few that are run under emulation."""
    folder, _ = vectors
    assert kinds(folder / name) == set(range(KINDS))


def cross_compiler(name: str) -> list[str]:
    """A compiler for a processor: Debian's, else zig's; skips where there is neither."""
    debian, zig = PROCESSORS[name]
    found = shutil.which(f"{debian}-gcc")
    if found is not None:
        return [found]
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip(f"needs {debian}-gcc or the package ziglang")
    return [sys.executable, "-m", "ziglang", "cc", "-target", zig, "-mcpu=baseline"]


@pytest.mark.parametrize("name", PROCESSORS)
def test_same_numbers(name: str, vectors: Vectors) -> None:
    """Golden streams decode to the samples that they decode to here, and what was decoded gives the streams again.

    The hash covers what the encoder's fit makes of the samples, too.
    """
    folder, expected = vectors
    emulator = shutil.which(f"qemu-{name}") or shutil.which(f"qemu-{name}-static")
    if emulator is None:
        pytest.skip(f"needs qemu-{name} (Debian: qemu-user)")
    program = folder / name
    compile_program(cross_compiler(name), ["-static"], program)
    done = run([emulator, str(program)], folder, "few.bin")
    assert done.returncode == 0, done.stderr
    assert done.stdout == expected


def test_another_number_is_found(vectors: Vectors, tmp_path: Path) -> None:
    """The program fails where decoding gives another sample or the stream is another, so that the test above can."""
    folder, _ = vectors
    (tmp_path / "tables.bin").write_bytes((folder / "tables.bin").read_bytes())
    cases = bytearray((folder / "cases.bin").read_bytes())
    cases[-1] ^= 1  # of what the last case gives
    (tmp_path / "cases.bin").write_bytes(cases)
    done = run([str(folder / "here")], tmp_path)
    assert done.returncode == 1
    assert "1 wrong" in done.stdout
