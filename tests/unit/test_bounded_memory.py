"""Anonymous memory of the commands: it does not grow with the image."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

MIB = 1 << 20
SMALL, LARGE = 1024, 2304
# Of 16 MiB of float32, and of what is made of it: less than one copy.
MOST_GROWTH_MIB = 14
# A child that runs a command with 1 MiB of memory for what grows with the image, and prints its peak of RssAnon.
CHILD = """
import json, sys, threading, time
import radcodec.limits
radcodec.limits.MAX_SCRATCH_MEMORY = radcodec.limits.MAX_WHOLE_LOOK = 1 << 20
import radcodec.cli
def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))
peak, done = [0], threading.Event()
def watch():
    while not done.is_set():
        peak[0] = max(peak[0], anonymous())
        time.sleep(0.002)
watcher = threading.Thread(target=watch)
watcher.start()
sys.argv = ["radcodec", *json.loads(sys.argv[1])]
try:
    radcodec.cli.main()
except SystemExit as end:
    assert not end.code
finally:
    done.set()
    watcher.join()
sys.stderr.write(f"peak {peak[0]}")
"""
# Memory that is freed goes back to the system, so that peaks are what is in use.
KNOWN = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
COMMANDS = {
    "exact": "compress in.fits exact.rcz --effort 1",
    "bounded": "compress in.fits bounded.rcz --effort 1 --max-error 0.125sigma --no-preview",
    "lossy": "compress in.fits lossy.rcz --lossy --stages 3",
    "decompress": "decompress exact.rcz back.fits",
    "verify": "verify exact.rcz --against in.fits",
    "verify a bound": "verify bounded.rcz --against in.fits",
    "cutout": "cutout bounded.rcz cut.fits --region 0:{side},0:{side}",
    "preview": "preview exact.rcz picture.png --full --size 256",
    "estimate": "estimate in.fits",
}


def write_image(path: Path, side: int) -> None:
    """An image of noise with a frame of NaN, which marks many samples as special."""
    noise = np.random.default_rng(1).normal(0, 1e-3, (side, side)).astype(np.float32)
    noise[:20] = noise[:, :20] = np.nan
    fits.PrimaryHDU(noise).writeto(path)


def peaks(folder: Path, side: int) -> dict[str, float]:
    """The peak of anonymous memory of each command on an image, MiB."""
    folder.mkdir()
    write_image(folder / "in.fits", side)
    return {
        name: peak(folder, [*command.format(side=side).split(), "--threads", "1"]) for name, command in COMMANDS.items()
    }


def peak(folder: Path, words: list[str]) -> float:
    """The peak of anonymous memory of one command in a process of its own, MiB."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(words)], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, **KNOWN},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stderr.rsplit("peak ", 1)[1]) / 1024


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sizes are read from /proc")
def test_no_command_holds_an_image(tmp_path: Path) -> None:
    """Five times the pixels take hardly more anonymous memory, in every command."""
    small, large = peaks(tmp_path / "small", SMALL), peaks(tmp_path / "large", LARGE)
    growth = {name: round(large[name] - small[name], 1) for name in COMMANDS}
    assert max(growth.values()) < MOST_GROWTH_MIB, growth
