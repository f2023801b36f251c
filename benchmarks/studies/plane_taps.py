"""Prediction from earlier planes: bytes of cubes with and without it, as CSV rows.

The images of the sets with more than one plane; simulated line cubes, without and with Hanning smoothing; and simulated
continuum cubes. Stokes planes have noise of their own and share the places of sources. Frequency planes have noise of
their own and a sky that falls by a spectral index; ``bright`` ones are full of emission far above the noise.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import machine
from benchmarks.data.datasets import images
from benchmarks.rivals.ours import Radcodec
from benchmarks.rows import append_row, rows_done
from benchmarks.studies.cube_tiles import hanning, simulated_cube
from benchmarks.studies.variants import called
from benchmarks.types import Cells

COLUMNS = (
    "machine", "commit", "codec_version", "cube", "shape", "dtype", "bound", "effort", "bytes_without", "bytes",
    "change_percent", "cpu_s_without", "cpu_s",
)  # fmt: skip
KEY = ("cube", "bound", "effort")
BOUNDS = (None, "0.125sigma", "0.5sigma")
EFFORT = 9
SIDE, LINE_PLANES, FREQUENCIES = 512, 24, 16
#: Shares of the flux in Q, U and V.
POLARISED = (0.06, -0.04, 0.0)
SPECTRAL_INDEX = -0.7
Cube = npt.NDArray[np.float32]


def noise_planes(count: int) -> Cube:
    """Make planes of noise of a beam, each of its own."""
    from radcodec.simulate import simulate_image

    return np.stack([simulate_image((SIDE, SIDE), seed=700 + plane, n_sources=0) for plane in range(count)])


def sky_plane(max_snr: float) -> Cube:
    """Make a sky of sources without noise, in the unit of the noise of ``noise_planes``."""
    from radcodec.simulate import simulate_image

    return simulate_image((SIDE, SIDE), seed=699, n_sources=60, noise_rms=1e-9, max_snr=max_snr * 1.5e5)


def stokes_cube() -> Cube:
    """Make planes I, Q, U and V."""
    shares = np.array([1.0, *POLARISED], np.float32)
    return noise_planes(4) + shares[:, None, None] * sky_plane(300.0)


def frequency_cube(emission_snr: float = 0.0) -> Cube:
    """Make planes of 1 to 2 GHz, with emission of this peak over the noise in all of them."""
    from radcodec.training.emission import simulate_emission

    sky = sky_plane(300.0)
    if emission_snr:
        emission = simulate_emission(np.random.default_rng(698), SIDE)
        sky = sky + np.asarray(emission * (emission_snr * 1.5e-4 / float(emission.max())), np.float32)
    falls = np.linspace(1.0, 2.0, FREQUENCIES, dtype=np.float32) ** np.float32(SPECTRAL_INDEX)
    return noise_planes(FREQUENCIES) + falls[:, None, None] * sky


def cubes(data: Path, sets: list[str]) -> Iterator[tuple[str, npt.NDArray[np.generic]]]:
    """Yield all cubes with their names."""
    for chosen in sets:
        for image in images(data, chosen):
            planes = image.samples.reshape(-1, *image.samples.shape[-2:])
            if len(planes) > 1:
                yield image.file, planes
    line = simulated_cube(SIDE, LINE_PLANES)
    yield "simulated lines", line
    yield "simulated lines, Hanning", hanning(line)
    yield "simulated Stokes I, Q, U, V", stokes_cube()
    yield "simulated frequencies", frequency_cube()
    yield "simulated frequencies, bright", frequency_cube(3000.0)


def run_plane_taps(*, data: Path, sets: list[str], out: Path, commit: str) -> list[str]:
    """Add the rows that ``out`` lacks; gives lines that sum up the new ones."""
    done, version, lines = rows_done(out, KEY), Radcodec().version(), []
    for name, cube in cubes(data, sets or ["cubes"]):
        for bound in BOUNDS:
            label = bound or "lossless"
            if (name, label, str(EFFORT)) in done:
                continue
            without, s_without = _encode(
                cube, bound, called(("radcodec.encoding.details", "plane_axes"), instead=lambda record: ())
            )
            size, seconds = _encode(cube, bound, nullcontext())
            change = 100 * (size / without - 1)
            cells: Cells = {
                "machine": machine.system(), "commit": commit, "codec_version": version, "cube": name,
                "shape": "x".join(map(str, cube.shape)), "dtype": cube.dtype.str, "bound": label, "effort": EFFORT,
                "bytes_without": without, "bytes": size, "change_percent": f"{change:.3f}",
                "cpu_s_without": f"{s_without:.2f}", "cpu_s": f"{seconds:.2f}",
            }  # fmt: skip
            append_row(out, COLUMNS, cells)
            lines.append(f"{name}, {label}: {without} -> {size} bytes, {change:+.2f} %")
    return lines


def _encode(
    cube: npt.NDArray[np.generic], bound: str | None, context: AbstractContextManager[object]
) -> tuple[int, float]:
    """Return the bytes of the array's file and the CPU seconds of encoding it."""
    import radcodec

    start = time.process_time()
    with context:
        size = len(radcodec.encode(cube, max_error=bound, effort=EFFORT, threads=1, verify=False))
    return size, time.process_time() - start
