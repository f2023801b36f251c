"""Compile the native core: ``python radcodec/native/compiling.py [LIBRARY]`` does it in a checkout.

A C compiler of the machine is used where there is one, with the user's CFLAGS before our flags. Else the package
``ziglang`` compiles, for the plainest processor. Every variant is compiled with the flags that keep the order of
each sum. This needs no other package, so that the build hook can use it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIBRARY = {"win32": "_core.dll", "darwin": "_core.dylib"}.get(sys.platform, "_core.so")
SOURCES = (
    "ans.c",
    "corrections.c",
    "counted.c",
    "decode_pass.c",
    "encode_pass.c",
    "fit.c",
    "planes.c",
    "predictor.c",
    "trellis.c",
)
FLAGS = (
    "-std=c99",
    "-O3",
    "-fvisibility=hidden",
    "-ffp-contract=off",
    "-fno-fast-math",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-sanitize=undefined",
)
X86_VARIANTS = {
    "base": (),
    "avx2": ("-mavx2",),
    "avx512": ("-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mprefer-vector-width=512"),
}
ZIG_TARGETS = {
    "linux-x86_64": "x86_64-linux-gnu.2.17",
    "linux-aarch64": "aarch64-linux-gnu.2.17",
    "win-amd64": "x86_64-windows-gnu",
    "win-arm64": "aarch64-windows-gnu",
}


def find_compiler() -> list[str] | None:
    """Return the machine's C compiler as a command, None where there is none (or RADCODEC_CC=zig asks for none)."""
    named = os.environ.get("CC")
    if os.environ.get("RADCODEC_CC") == "zig":
        return None
    if named:
        return shlex.split(named)
    names = ("clang",) if sys.platform == "win32" else ("cc", "gcc", "clang")
    found = next(filter(None, map(shutil.which, names)), None)
    return [found] if found and _compiles([found]) else None


def _compiles(compiler: list[str]) -> bool:
    """Tell whether a compiler makes a program of the smallest source: on some machines the headers are missing."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "try.c"
        source.write_text("#include <math.h>\n#include <stdint.h>\n#include <string.h>\nint main(void) { return 0; }\n")
        command = [*compiler, str(source), "-o", str(Path(folder) / "try")]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def zig_compiler(platform: str) -> list[str]:
    """Return the C compiler in the package ``ziglang``, for the plainest processor of a platform."""
    command = [sys.executable, "-m", "ziglang", "cc"]
    target = ZIG_TARGETS.get(platform)
    if target is not None:
        command += ["-target", target]
    return [*command, "-mcpu=baseline"]


def compile_core(out: Path, compiler: list[str], machine: str, flags: tuple[str, ...] = ()) -> None:
    """Compile the core into the library ``out``.

    Raises
    ------
    subprocess.CalledProcessError
        If the compiler refuses a source.
    """
    variants = X86_VARIANTS if machine in ("x86_64", "amd64") else {"base": ()}
    common = [*shlex.split(os.environ.get("CFLAGS", "")), *FLAGS, *flags]
    if sys.platform != "win32":
        common.append("-fPIC")
    with tempfile.TemporaryDirectory() as folder:
        jobs: list[tuple[str, str, tuple[str, ...]]] = [("cpu.c", "cpu", ())]
        jobs += [
            (source, f"{Path(source).stem}_{name}", (*extra, f"-DRCZ_VARIANT={name}"))
            for name, extra in variants.items()
            for source in SOURCES
        ]
        objects = [str(Path(folder) / f"{stem}.o") for _, stem, _ in jobs]
        commands = [
            [*compiler, *common, *extra, "-c", str(HERE / source), "-o", made]
            for (source, _, extra), made in zip(jobs, objects, strict=True)
        ]
        # A compiler a core: all of them take ten to twenty seconds, one after the other.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(partial(subprocess.run, check=True), commands))
        link = [*shlex.split(os.environ.get("LDFLAGS", "")), "-shared", "-o", str(out), *objects]
        subprocess.run([*compiler, *link, *([] if sys.platform == "win32" else ["-lm"])], check=True)


if __name__ == "__main__":
    name = sysconfig.get_platform()
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / LIBRARY
    compile_core(where, find_compiler() or zig_compiler(name), name.rsplit("-", 1)[-1].lower())
    print(where)
