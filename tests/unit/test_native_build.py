"""The native core as it is built: which compilers and flags are refused, and which libraries are not loaded."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from radcodec.native import compiling
from radcodec.runtime import native

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "files"
GCC = shutil.which("gcc")
MACHINE = sysconfig.get_platform().rsplit("-", 1)[-1].lower()
needs_x86_gcc = pytest.mark.skipif(GCC is None or MACHINE != "x86_64", reason="needs gcc on x86-64")


def syntax_check(*flags: str) -> subprocess.CompletedProcess[str]:
    """The smallest source checked by gcc with flags of its own."""
    command = [str(GCC), "-std=c99", *flags, "-fsyntax-only", str(compiling.HERE / "ans.c")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_x86_gcc
@pytest.mark.parametrize(
    ("flag", "message"),
    [("-mfpmath=387", "not that of x87"), ("-ffast-math", "must not be compiled with -ffast-math")],
)
def test_arithmetic_that_is_refused(flag: str, message: str) -> None:
    """Sums in the precision of x87 or in any order end the compilation with a reason."""
    done = syntax_check(flag)
    assert done.returncode != 0
    assert '#error "the native core' in done.stderr
    assert message in done.stderr
    assert syntax_check().returncode == 0


def use(library: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Python code run with a library in the place of the package's own; ``native`` is imported."""
    start = "from pathlib import Path\nfrom radcodec.runtime import native\n"
    start += f"native.library_path = lambda: Path({str(library)!r})\n"
    return subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, check=False)


def compile_base(out: Path, compiler: list[str], *flags: str) -> None:
    """The core's plainest variant, with flags that come after the core's own."""
    sources = [str(compiling.HERE / name) for name in (*compiling.SOURCES, "cpu.c")]
    command = [*compiler, *compiling.FLAGS, "-fPIC", "-shared", *flags, *sources, "-o", str(out), "-lm"]
    subprocess.run(command, check=True)


@needs_x86_gcc
def test_contracted_sums_are_refused(tmp_path: Path) -> None:
    """A library with fused multiply-adds is not loaded, even where the sum of single numbers is not contracted."""
    out = tmp_path / "contracted.so"
    compile_base(out, [str(GCC)], "-mfma", "-mavx2", "-ffp-contract=fast")
    done = use(out, "native.load('base')")
    assert done.returncode != 0
    assert "was compiled with fused multiply-adds" in done.stderr


@needs_x86_gcc
@pytest.mark.parametrize("flags", ["-ffast-math", "-mfma -ffp-contract=fast -march=haswell"])
def test_flags_of_the_user_change_no_number(flags: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our flags follow CFLAGS: a library built with them decodes a golden file to its bits."""
    if native.core().variant == "base":
        pytest.skip("needs AVX2")
    monkeypatch.setenv("CFLAGS", flags)
    out = tmp_path / "core.so"
    compiling.compile_core(out, [str(GCC)], MACHINE, ("-O1",))
    check_golden(out, "base")


def check_golden(library: Path, variant: str) -> None:
    """A variant of a library decodes golden files of both kinds of samples and of a base layer to their bits."""
    names = ("v0d4_array_f4_border", "v0d4_array_f4_loop_border", "v0d4_array_f4_on_base")
    code = (
        f"import numpy as np, radcodec\nown = native.load({variant!r})\nnative.core = lambda: own\n"
        f"for name in {names!r}:\n"
        f"    found = radcodec.decode((Path({str(GOLDEN)!r}) / (name + '.rcz')).read_bytes())\n"
        f"    expected = np.load(Path({str(GOLDEN)!r}) / (name + '.npy'))\n"
        "    assert found.tobytes() == expected.tobytes(), name\n"
        "print('same')"
    )
    done = use(library, code)
    assert done.stdout == "same\n", done.stderr


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="needs the package ziglang")
@pytest.mark.timeout(900)
def test_zig_gives_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine without a compiler builds decodes golden files to their bits, with each of its variants."""
    monkeypatch.setenv("RADCODEC_CC", "zig")
    monkeypatch.delenv("CC", raising=False)
    assert compiling.find_compiler() is None
    out = tmp_path / "zig.so"
    compiling.compile_core(out, compiling.zig_compiler(sysconfig.get_platform()), MACHINE)
    best = native.VARIANTS.index(native.core().variant)
    for variant in native.VARIANTS[: best + 1]:
        check_golden(out, variant)


def test_no_compiler_is_found_on_an_empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without CC and with nothing on PATH, zig is what compiles."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("RADCODEC_CC", raising=False)
    assert compiling.find_compiler() is None


def test_checks_at_load_pass_here() -> None:
    """The library of this installation is loaded, and its known answer is zero everywhere."""
    loaded = native.load()
    a, width = 1.0 + 2.0**-30, 5
    padded = np.array([[a] * (width + 2), [0.0] * (width + 2)])
    coefs, weight, row = np.array([-a, a, 0.0, 0.0]), np.ones(width), np.full(width, np.nan)
    arrays = [native.pointer(array, np.float64) for array in (padded, coefs, weight, row)]
    assert loaded.weighted_error(arrays[0], 1, arrays[1], arrays[2], 1, width, arrays[3]) == 0.0
    assert row.tolist() == [0.0] * width
