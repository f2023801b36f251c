"""Tiles of cubes: bits a pixel of several shapes, and the share of a file that one spectrum and one plane touch.

Cubes are simulated ones, whose size telescopes have, without and with Hanning smoothing of the channels, and the
images of the sets with more than one plane. Shapes are given as the sides along x, y and planes. The shares are those
of the bytes of the tiles that hold the middle spectrum or the middle plane.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.data.datasets import images
from benchmarks.rivals.ours import Radcodec
from benchmarks.rows import append_row, rows_done
from benchmarks.types import Cells

COLUMNS = (
    "commit", "codec_version", "cube", "shape", "dtype", "bound", "tile", "tiles", "bits_per_pixel", "spectrum_share",
    "plane_share", "cpu_s",
)  # fmt: skip
KEY = ("cube", "bound", "tile")
SIDE, PLANES = 512, 100
# Pieces of x, pieces of y, and planes of a tile.
SHAPES = ((1, 1, 1), (1, 1, 16), (4, 5, 25), (5, 5, 25), (5, 5, 50), (5, 5, 100), (3, 7, 50), (8, 8, 50))
BOUNDS = (None, "0.125sigma")


def simulated_cube(side: int = SIDE, n_planes: int = PLANES) -> npt.NDArray[np.float32]:
    """Make a spectral-line cube: beam-smoothed noise, new in every plane, and sources whose lines drift with x."""
    from radcodec.simulate import simulate_image

    cube = np.stack([simulate_image((side, side), seed=500 + plane, n_sources=0) for plane in range(n_planes)])
    sky = simulate_image((side, side), seed=499, n_sources=40, noise_rms=1e-6, max_snr=4.5e4)
    centre = n_planes * (0.2 + 0.6 * np.arange(side) / side)
    for plane in range(n_planes):
        cube[plane] += sky * np.exp(-0.5 * ((plane - centre) / 6.0) ** 2).astype(np.float32)
    return cube


def hanning(cube: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Smooth the channels as telescopes do, so that neighbours share noise; the first and the last are left out."""
    return np.asarray(0.25 * cube[:-2] + 0.5 * cube[1:-1] + 0.25 * cube[2:], np.float32)


def cubes(data: Path, sets: list[str]) -> Iterator[tuple[str, npt.NDArray[np.generic]]]:
    """Yield simulated cubes and the images of the sets that have planes, with their names."""
    cube = simulated_cube()
    yield "simulated", cube
    yield "simulated, Hanning", hanning(cube)
    for chosen in sets:
        for image in images(data, chosen):
            planes = image.samples.reshape(-1, *image.samples.shape[-2:])
            if len(planes) > 1 and planes.size > 1 << 18:
                yield image.file, planes


def tiles_of(shape: tuple[int, ...], pieces: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the sides along x, y and planes that make so many pieces of x and y, with so many planes."""
    return -(-shape[2] // pieces[0]), -(-shape[1] // pieces[1]), min(pieces[2], shape[0])


def shares(packed: bytes) -> tuple[int, float, float]:
    """Count tiles, and return the shares of a file that the middle spectrum and the middle plane touch."""
    import radcodec

    with radcodec.open(packed) as file:
        stored = file.images[0].stored
        grid = stored.coding.grid
        sizes = [stop - start for start, stop in (file.reader.tile_range(0, tile) for tile in range(grid.n_tiles))]
        n, height, width = grid.n_planes, grid.height, grid.width
        y, x, middle = height // 2, width // 2, n // 2
        spectrum = grid.tiles_in_region((0, n, y, y + 1, x, x + 1))
        plane = grid.tiles_in_region((middle, middle + 1, 0, height, 0, width))
        touched = [sum(sizes[tile] for tile in tiles) / len(packed) for tiles in (spectrum, plane)]
    return grid.n_tiles, touched[0], touched[1]


def run_cube_tiles(*, data: Path, sets: list[str], out: Path, commit: str) -> list[str]:
    """Add the rows that ``out`` lacks; gives lines that sum up the new ones."""
    import radcodec

    done, version, lines = rows_done(out, KEY), Radcodec().version(), []
    for name, cube in cubes(data, sets):
        for bound in BOUNDS:
            for pieces in SHAPES:
                tile = tiles_of(cube.shape, pieces)
                label = "x".join(map(str, tile))
                if (name, bound or "lossless", label) in done:
                    continue
                start = time.process_time()
                packed = radcodec.encode(cube, max_error=bound, tile=tile, threads=1, verify=False)
                seconds = time.process_time() - start
                n_tiles, spectrum, plane = shares(packed)
                bits = 8 * len(packed) / cube.size
                cells: Cells = {
                    "commit": commit, "codec_version": version, "cube": name, "shape": "x".join(map(str, cube.shape)),
                    "dtype": cube.dtype.str, "bound": bound or "lossless", "tile": label, "tiles": n_tiles,
                    "bits_per_pixel": f"{bits:.5f}", "spectrum_share": f"{spectrum:.5f}",
                    "plane_share": f"{plane:.5f}", "cpu_s": f"{seconds:.2f}",
                }  # fmt: skip
                append_row(out, COLUMNS, cells)
                lines.append(f"{name}, {bound}, {label}: {bits:.4f} bits, spectrum {spectrum:.2%}, plane {plane:.2%}")
    return lines
