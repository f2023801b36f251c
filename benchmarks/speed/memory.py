"""Memory of one call of a codec: growth of the largest resident size of a fresh process after a warm-up.

    python -m benchmarks.speed.memory JOB    # JOB as JSON; prints the growth in bytes

The process imports, encodes and decodes a small image, and then takes its resident size as the start. It loads what the
codec is given, and makes one call. What it loads counts: encoding an array grows a process by at least the array and
the stream, and so does decoding it.
"""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.paths import ROOT
from benchmarks.rivals.base import Track
from benchmarks.speed.contestants import Contestant
from benchmarks.types import Array

STATUS = Path("/proc/self/status")
WARM_SIDE = 256


def resident(field: str) -> int:
    """Return the bytes of this process under VmRSS (resident) or VmHWM (the most that ever was)."""
    for line in STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"{STATUS} has no {field}")


def settle() -> None:
    """Give back what the warm-up freed, and start VmHWM anew; where the kernel does not allow it, that peak stays.

    Memory that is freed but kept by the C library would be used again without any growth.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError as err:
        print(f"peak of the warm-up is kept: {err}", file=sys.stderr)


def memory_growth(contestant: Contestant, given: Array, data: bytes | None, max_error: float) -> int | None:
    """Return by how many bytes a fresh process grows that encodes ``given``, or decodes ``data`` if there is one.

    None where the system does not tell sizes (other than Linux), or the stream decodes only where it was made.
    """
    if not STATUS.exists() or (data is not None and not contestant.decodes_alone):
        return None
    with tempfile.TemporaryDirectory() as folder:
        array, stream = Path(folder) / "given.npy", Path(folder) / "stream"
        if data is None:
            np.save(array, given)
        else:
            stream.write_bytes(data)
        job = {
            "codec": contestant.codec, "track": contestant.track.value, "threads": contestant.threads,
            "verify": contestant.verify, "preview": contestant.preview, "max_error": max_error,
            "array": str(array) if data is None else None, "stream": str(stream), "shape": given.shape,
            "dtype": str(given.dtype),
        }  # fmt: skip
        command = [sys.executable, "-m", "benchmarks.speed.memory", json.dumps(job)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
    return int(done.stdout)


def main() -> None:
    """Run the job of the command line."""
    from radcodec.simulate import simulate_image

    job = json.loads(sys.argv[1])
    max_error = float(job["max_error"])
    contestant = Contestant(
        codec=job["codec"], track=Track(job["track"]), threads=int(job["threads"]), verify=bool(job["verify"]),
        preview=float(job["preview"]),
    )  # fmt: skip
    small = contestant.given(simulate_image((WARM_SIDE, WARM_SIDE), seed=1), max_error)
    contestant.decode(contestant.encode(small, max_error), small)
    settle()
    start = resident("VmRSS")
    if job["array"]:
        contestant.encode(np.load(job["array"]), max_error)
    else:
        like = np.broadcast_to(np.zeros(1, job["dtype"]), job["shape"])
        contestant.decode(Path(job["stream"]).read_bytes(), like)
    print(max(0, resident("VmHWM") - start))


if __name__ == "__main__":
    main()
