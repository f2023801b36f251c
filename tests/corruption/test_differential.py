"""radcodec and the reference decoder accept and reject the same files, and restore the same pixels from them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent / "both.py"
PER_PROCESS = 600
# RADCODEC_MUTANTS=20000 looks for days when nothing else is to be found.
N_MUTANTS = int(os.environ.get("RADCODEC_MUTANTS", "1800"))
TIMEOUT_S = 1200


@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize("first", range(0, N_MUTANTS, PER_PROCESS))
def test_both_decoders_agree_on_mutants(first: int) -> None:
    """No mutant crashes a reader, raises a foreign exception, or is read by one decoder otherwise than by the other.

    Mutants are read in a process of their own, with and without looking at the checksums of pixels.
    """
    count = min(PER_PROCESS, N_MUTANTS - first)
    command = [sys.executable, str(SCRIPT), str(first), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    where = f"mutant {(done.stderr.split() or ['?'])[-1]}, exit status {done.returncode}: {done.stderr[-2000:]}"
    assert done.returncode == 0, where
    result = json.loads(done.stdout)
    assert not result["found"], "\n".join(f"{f['number']} ({f['name']}): {f['wrong']}" for f in result["found"])
    assert result["accepted"] >= count // 20  # mutants reach what is behind the first checks
