"""Compile the programs of this folder with the core's sources: ``vectors.c`` and ``fuzz.c``."""

from __future__ import annotations

import subprocess
from pathlib import Path

from radcodec.native import compiling

HERE = Path(__file__).resolve().parent
CORE = [compiling.HERE / name for name in compiling.SOURCES]


def compile_program(compiler: list[str], flags: list[str], out: Path) -> None:
    """The program that compares decoded numbers, ``vectors.c``, with flags after the core's own."""
    sources = [*map(str, CORE), str(HERE / "cases.c"), str(HERE / "vectors.c")]
    command = [*compiler, *compiling.FLAGS, *flags, f"-I{compiling.HERE}", *sources, "-o", str(out), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def compile_fuzzer(compiler: str, folder: Path) -> Path:
    """The fuzzer: the core with sanitizers and counters of its branches, the rest without."""
    objects = []
    watched = ["-fsanitize-coverage=inline-8bit-counters,pc-table", "-fsanitize=address,undefined,float-cast-overflow"]
    for source in [*CORE, HERE / "cases.c", HERE / "fuzz.c"]:
        objects.append(str(folder / f"{source.stem}.o"))
        flags = [*watched, "-fno-sanitize-recover=all", "-ffp-contract=off"] if source in CORE else []
        command = [compiler, "-std=c99", "-O2", "-g", *flags, f"-I{compiling.HERE}", "-c", str(source)]
        subprocess.run([*command, "-o", objects[-1]], check=True)
    out = folder / "fuzz"
    subprocess.run([compiler, "-fsanitize=fuzzer,address,undefined", *objects, "-lm", "-o", str(out)], check=True)
    return out


if __name__ == "__main__":
    import sys

    print(compile_fuzzer("clang", Path(sys.argv[1])))
