"""Start-up limits of the interface: what an import loads and how long the light commands take.

Everything is measured in fresh interpreters, in CPU time and best of five, because other programs only ever add time.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from child_commands import RUN_COMMAND

HEAVY = ("torch", "numba", "astropy")
TRIES = 5
IMPORT_LIMIT_S = 0.3
COMMAND_LIMIT_S = 0.5

# Runs CODE, then reports how long it took and which of the heavy packages it loaded.
PROBE = """
import json, sys, time
start = time.process_time()
{code}
elapsed = time.process_time() - start
print(json.dumps({{"seconds": elapsed, "heavy": [m for m in {heavy!r} if m in sys.modules]}}), file=sys.stderr)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a fresh interpreter did: CPU seconds of the code alone, of the whole process, and heavy imports."""

    code_s: float
    process_s: float
    heavy: list[str]


def cpu_seconds_of_children() -> float:
    """Time on the processor of the children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def probe(code: str, tries: int = TRIES) -> Probe:
    """Best times and heavy imports of fresh interpreters that run ``code``."""
    runs = []
    for _ in range(tries):
        start = cpu_seconds_of_children()
        done = subprocess.run(
            [sys.executable, "-c", PROBE.format(code=code, heavy=HEAVY)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        process_s = cpu_seconds_of_children() - start
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stderr.strip().splitlines()[-1])
        runs.append(Probe(code_s=found["seconds"], process_s=process_s, heavy=found["heavy"]))
    return min(runs, key=lambda run: run.process_s)


def probe_command(*arguments: str) -> Probe:
    """Best times and heavy imports of ``radcodec ARGUMENTS``."""
    return probe(RUN_COMMAND.format(argv=["radcodec", *arguments]))


@pytest.fixture(scope="module")
def rcz_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file in the format, made from an array in another process."""
    path = tmp_path_factory.mktemp("imports") / "small.rcz"
    code = (
        "import numpy as np, radcodec; from pathlib import Path; "
        f"Path({str(path)!r}).write_bytes(radcodec.encode(np.arange(64, dtype='f4').reshape(8, 8)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    return path


def test_import_is_light() -> None:
    """``import radcodec`` loads none of torch, numba and astropy and takes under 0.3 s of CPU time."""
    result = probe("import radcodec")
    assert result.heavy == []
    assert result.code_s < IMPORT_LIMIT_S


def test_public_names_resolve() -> None:
    """Every name that ``dir(radcodec)`` promises exists, and looking at the errors loads nothing heavy."""
    result = probe("import radcodec; [getattr(radcodec, n) for n in dir(radcodec) if n.endswith('Error')]")
    assert result.heavy == []
    subprocess.run(
        [sys.executable, "-c", "import radcodec; [getattr(radcodec, name) for name in radcodec.__all__]"],
        check=True,
        timeout=60,
    )


@pytest.mark.parametrize("arguments", [("--help",), ("compress", "--help"), ("--version",)], ids=" ".join)
def test_help_is_light(arguments: tuple[str, ...]) -> None:
    """Help and version take under 0.5 s of CPU time and load nothing heavy."""
    result = probe_command(*arguments)
    assert result.heavy == []
    assert result.process_s < COMMAND_LIMIT_S


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
def test_info_is_light(rcz_path: Path, options: tuple[str, ...]) -> None:
    """``radcodec info`` takes under 0.5 s of CPU time and loads none of torch, numba and astropy."""
    result = probe_command("info", str(rcz_path), *options)
    assert result.heavy == []
    assert result.process_s < COMMAND_LIMIT_S


def test_lossless_and_bounded_work_never_load_torch() -> None:
    """Arrays are encoded and decoded, exactly and to a bound, without torch."""
    result = probe(
        "import numpy as np, radcodec\n"
        "image = np.random.default_rng(1).normal(size=(24, 24)).astype('f4')\n"
        "assert np.array_equal(radcodec.decode(radcodec.encode(image)), image)\n"
        "back = radcodec.decode(radcodec.encode(image, max_error=0.1))\n"
        "assert np.abs(back.astype('f8') - image).max() <= 0.1",
        tries=1,
    )
    assert "torch" not in result.heavy
