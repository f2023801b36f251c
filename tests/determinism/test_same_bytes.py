"""The same input gives the same bytes: for any number of threads, any order of tiles, in any process."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import radcodec
import radcodec.encoding.base_codes
import radcodec.encoding.coded_image
import radcodec.encoding.details
from radcodec.simulate import simulate_fits, simulate_image

MODES: dict[str, dict[str, Any]] = {
    "lossless": {"preview": 0},
    "lossless_preview": {"preview": 10},
    "bounded": {"max_error": "0.25sigma", "preview": 0},
    "bounded_preview": {"max_error": "0.25sigma", "preview": 10},
    "local": {"max_error": "0.25localsigma", "preview": 0},
    "dither": {"max_error": 3e-5, "dither": True, "preview": 0},
    "on_base": {"max_error": "1sigma", "preview": 0},
    "lossy": {"lossy": True},
    "lossy_bpp": {"lossy_bpp": 1.0},
}


@pytest.fixture(scope="module")
def sky() -> bytes:
    """A FITS file of several tiles with undefined pixels, two axes longer than a tile."""
    return simulate_fits((150, 170), seed=31, n_axes=4, nan_border_px=4)


def compress(content: bytes, **options: Any) -> bytes:
    """A FITS file as a .rcz file, tiles of 64 pixels."""
    out = io.BytesIO()
    radcodec.compress(io.BytesIO(content), out, tile=64, **options)
    return out.getvalue()


@pytest.mark.parametrize("mode", MODES)
def test_threads(sky: bytes, mode: str) -> None:
    """One, two and five threads write the same file and restore the same pixels."""
    data = compress(sky, threads=1, **MODES[mode])
    for threads in (2, 5):
        assert compress(sky, threads=threads, **MODES[mode]) == data
    results = [radcodec.decode(data, threads=threads).tobytes() for threads in (1, 2, 5)]
    assert len(set(results)) == 1


@pytest.mark.parametrize("mode", MODES)
def test_order_of_tiles(sky: bytes, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles worked on in a random order, one after the other, give the same file."""
    data = compress(sky, threads=1, **MODES[mode])
    calls = 0

    def shuffled(function: Callable[[Any], Any], items: Iterable[Any], threads: int) -> Iterator[Any]:
        nonlocal calls
        calls += 1
        waiting = list(items)
        order = np.random.default_rng(calls).permutation(len(waiting))
        done = {int(place): function(waiting[place]) for place in order}
        yield from (done[place] for place in range(len(waiting)))

    for module in (radcodec.encoding.details, radcodec.encoding.coded_image, radcodec.encoding.base_codes):
        monkeypatch.setattr(module, "ordered_map", shuffled)
    assert compress(sky, threads=2, **MODES[mode]) == data
    assert calls


def test_arrays_of_other_layout() -> None:
    """Strides, byte order and repetition make no difference to an array's bytes."""
    image = simulate_image((90, 70), seed=32)
    data = radcodec.encode(image, max_error="0.25sigma", tile=32)
    assert radcodec.encode(np.asfortranarray(image), max_error="0.25sigma", tile=32) == data
    assert radcodec.encode(image.astype(">f4"), max_error="0.25sigma", tile=32) == data
    assert radcodec.encode(np.repeat(image, 2, axis=0)[::2], max_error="0.25sigma", tile=32) == data


PROGRAM = """
import hashlib, io, sys
import numpy as np
import radcodec
image = np.load(sys.argv[1])
for options in ({}, {"max_error": "0.25sigma"}, {"preview": 10}, {"lossy_stages": 2}):
    print(hashlib.sha256(radcodec.encode(image, tile=64, **options)).hexdigest())
"""


def test_environments(tmp_path: Path) -> None:
    """Processes with other numbers of library threads and other hash seeds write the same bytes."""
    image = simulate_image((150, 140), seed=33)
    np.save(tmp_path / "image.npy", image)
    results = []
    for threads, seed in (("1", "0"), ("2", "1"), ("4", "4242")):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, threads), "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / "image.npy")]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=250)
        results.append(result.stdout.split())
    assert results[0] == results[1] == results[2]
    assert len(set(results[0])) == 4
    here = hashlib.sha256(radcodec.encode(image, tile=64, threads=2)).hexdigest()
    assert here == results[0][0]
