"""The C sources are free of warnings, and sanitizers find nothing in them, whatever the streams."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from radcodec.runtime import native

HERE = Path(__file__).resolve().parent
SOURCES = sorted((Path(native.__file__).resolve().parents[1] / "native").glob("*.c"))
COMPILER = shutil.which("gcc")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-ffp-contract=off")
SANITIZERS = "-fsanitize=address,undefined,float-cast-overflow,bounds-strict"
pytestmark = pytest.mark.skipif(COMPILER is None or not SOURCES, reason="needs gcc and the C sources")


def compile_with(flags: list[str], out: Path) -> subprocess.CompletedProcess[str]:
    """The sources compiled into a library by gcc with some flags."""
    command = [str(COMPILER), *flags, "-fPIC", "-shared", *map(str, SOURCES), "-o", str(out), "-lm"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("more", [["-O3", "-mavx2"], ["-O2", "-fanalyzer"]], ids=" ".join)
def test_no_warning(more: list[str], tmp_path: Path) -> None:
    """Neither the compiler nor its analyzer warns."""
    if "-mavx2" in more and not native.core().variant.startswith("avx"):
        pytest.skip("needs AVX2")
    done = compile_with([*STRICT, *more], tmp_path / "core.so")
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("clang") is None, reason="needs clang")
def test_clang_analyzer_finds_nothing() -> None:
    """Clang's static analyzer has nothing to say within functions; docs/native.md has the command for all paths."""
    for source in SOURCES:
        command = ["clang", "--analyze", "-std=c99", "-Xclang", "-analyzer-output=text", "-o", os.devnull, str(source)]
        command += ["-Xclang", "-analyzer-config", "-Xclang", "mode=shallow"]  # a tenth of the time
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""


@pytest.mark.skipif(shutil.which("cppcheck") is None, reason="needs cppcheck")
def test_cppcheck_finds_nothing() -> None:
    """Cppcheck has nothing to say; it reads no system headers, so that what they define is given."""
    known = ("FLT_EVAL_METHOD=0", "DBL_MANT_DIG=53", "DBL_MAX_EXP=1024", "RCZ_VARIANT=base")
    command = ["cppcheck", "--enable=warning,portability", "--std=c99", "--quiet", "--error-exitcode=1"]
    command += ["--suppress=missingIncludeSystem", *(f"-D{name}" for name in known), *map(str, SOURCES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def runtime(name: str) -> str | None:
    """Where gcc has a sanitizer's library, None where it has none."""
    found = subprocess.run([str(COMPILER), f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    path = found.stdout.strip()
    return path if os.path.isabs(path) and os.path.exists(path) else None


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A core with sanitizers and the environment to load it in."""
    libraries = [path for path in map(runtime, ("libasan.so", "libubsan.so")) if path]
    if sys.platform != "linux" or len(libraries) < 2:
        pytest.skip("needs the run-time libraries of the sanitizers")
    out = tmp_path_factory.mktemp("sanitized") / "core_with_sanitizers.so"
    flags = ["-std=c99", "-O1", "-g", "-ffp-contract=off", SANITIZERS, "-fno-sanitize-recover=all"]
    done = compile_with(flags, out)
    assert done.returncode == 0, done.stderr
    preload = " ".join(libraries)
    return out, os.environ | {"LD_PRELOAD": preload, "ASAN_OPTIONS": "detect_leaks=0", "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize(
    "script",
    [("extremes.py",), ("streams.py", "2000"), ("both.py", "700000", "150")],
    ids=lambda script: script[0],
)
def test_sanitizers_find_nothing(script: tuple[str, ...], sanitized: tuple[Path, dict[str, str]]) -> None:
    """No index out of bounds, overflow or wrong cast, at the ends of all ranges and in mutants of sound streams."""
    library, environment = sanitized
    name, *arguments = script
    command = [sys.executable, str(HERE / "sanitized.py"), str(library), str(HERE / name), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "core_with_sanitizers.so, variant base" in done.stderr


def test_sanitizers_would_find_something(sanitized: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    """A call with a buffer that is shorter than it says ends the process, so that the tests above can fail."""
    script = tmp_path / "wrong.py"
    script.write_text(
        "import ctypes\n"
        "from radcodec.runtime.native import core\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.calloc.restype, libc.calloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t] * 2\n"
        "at = ctypes.cast(libc.calloc(4, 8), ctypes.POINTER(ctypes.c_int64))\n"
        "core().rice_bits(at, 5)\n"
    )
    library, environment = sanitized
    command = [sys.executable, str(HERE / "sanitized.py"), str(library), str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr
