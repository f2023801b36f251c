"""Images with sources injected at known places: simulated fields that anyone can make, blank parts of real cut-outs.

A scene is laid out in cells of 64 x 64 pixels around which 32 pixels are left, so that the 64 x 64 pixels about every
source lie inside. Each cell has one source of each amplitude, in quadrants that are drawn anew for every cell, up to
4 pixels from the quadrant's middle in x and y: no source is nearer than 24 pixels to another. The middle of each cell,
16 pixels or more from any source, is a place of amplitude 0.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.data.datasets import Image, images, sigma
from benchmarks.science.beams import Beam, stamp
from benchmarks.types import F64, Array

AMPLITUDES = (0.1, 0.3, 1.0, 3.0)  # sigma, of the peak
CELL = 64  # px
MARGIN = 32  # px
JITTER = 4.0  # px
REACH = 8  # px; a source is added so far from its middle, or twice the beam's width
N_FIELDS, FIELD_CELLS = 4, 32
FIELD_BEAM = Beam(major=4.0, minor=3.2, angle_deg=20.0)
SMOOTH_BEAM = Beam(major=9.0, minor=8.0, angle_deg=20.0)
FIELDS = {"simulated": FIELD_BEAM, "simulated-smooth": SMOOTH_BEAM}  # sets of fields that anyone can make
BLANK = 5.0  # sigma; a cell of a real image with more than that in it gets no sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """An image with its sources: ``places`` [n, 2] (y, x) of each amplitude, 0 for the blank places.

    ``noise`` is the sigma that amplitudes are in, in the unit of the samples.
    """

    file: str
    sha256: str
    samples: Array
    noise: float
    beam: Beam
    places: dict[float, F64]


def place_sources(cells: Sequence[tuple[int, int]], rng: np.random.Generator) -> dict[float, F64]:
    """Place the sources of every amplitude, one a cell, for the upper left corners of the cells."""
    quarters = np.array([(16.0, 16.0), (16.0, 48.0), (48.0, 16.0), (48.0, 48.0)])
    found: dict[float, list[F64]] = {amplitude: [] for amplitude in (0.0, *AMPLITUDES)}
    for corner in cells:
        found[0.0].append(np.array(corner) + CELL / 2)
        middles = np.array(corner) + quarters[rng.permutation(4)]
        for amplitude, middle in zip(AMPLITUDES, middles, strict=True):
            found[amplitude].append(middle + rng.uniform(-JITTER, JITTER, 2))
    return {amplitude: np.array(places).reshape(-1, 2) for amplitude, places in found.items()}


def inject(samples: Array, places: F64, peaks: F64, beam: Beam) -> Array:
    """Add beam-shaped sources to samples, in their dtype."""
    total, reach = samples.astype(np.float64), max(REACH, math.ceil(2 * beam.major))
    for (y, x), peak in zip(places, peaks, strict=True):
        rows, columns, profile = stamp(y, x, beam, reach)
        total[np.ix_(rows, columns)] += peak * profile
    return total.astype(samples.dtype)


def with_sources(file: str, sha256: str, samples: Array, noise: float, beam: Beam, places: dict[float, F64]) -> Scene:
    """Make the scene of an image."""
    for amplitude in AMPLITUDES:
        samples = inject(samples, places[amplitude], np.full(len(places[amplitude]), amplitude * noise), beam)
    return Scene(file=file, sha256=sha256, samples=samples, noise=noise, beam=beam, places=places)


def simulated_scenes(n_fields: int = N_FIELDS, cells: int = FIELD_CELLS, chosen: str = "simulated") -> Iterator[Scene]:
    """Yield fields of noise of rms 1e-4, ``cells`` squared cells each, of one of the sets of ``FIELDS``.

    Their hash is that of the samples with sources.
    """
    from radcodec.simulate import simulate_image

    side, noise, beam = cells * CELL + 2 * MARGIN, 1e-4, FIELDS[chosen]
    corners = [(MARGIN + CELL * row, MARGIN + CELL * column) for row in range(cells) for column in range(cells)]
    for number in range(n_fields):
        blank = simulate_image(
            (side, side), seed=7000 + number, noise_rms=noise, n_sources=0, beam_pa_deg=beam.angle_deg,
            beam_fwhm_px=(beam.major, beam.minor),
        )  # fmt: skip
        places = place_sources(corners, np.random.default_rng(number))
        scene = with_sources(f"{chosen}/stack-{number}", "", blank, noise, beam, places)
        digest = hashlib.sha256(scene.samples.tobytes()).hexdigest()
        yield Scene(file=scene.file, sha256=digest, samples=scene.samples, noise=noise, beam=beam, places=places)


def real_scenes(folder: Path, chosen: str, beam: Beam) -> Iterator[Scene]:
    """Yield images of a set of floats with sources in cells that have nothing above 5 sigma; amplitudes in sigma."""
    for number, image in enumerate(images(folder, chosen)):
        noise = sigma(image.samples)
        if image.samples.ndim != 2 or noise == 0 or image.samples.dtype.kind != "f":
            continue
        cells = blank_cells(image, noise)
        if cells:
            places = place_sources(cells, np.random.default_rng(number))
            yield with_sources(image.file, image.sha256, image.samples, noise, beam, places)


def blank_cells(image: Image, noise: float) -> list[tuple[int, int]]:
    """Find the cells, packed in the middle of the image, that have no sample above 5 sigma or missing.

    Return their upper left corners.
    """
    samples = image.samples.astype(np.float64)
    limit = np.median(samples[np.isfinite(samples)]) + BLANK * noise
    counts = [max(0, (side - 16) // CELL) for side in samples.shape]
    first = [(side - count * CELL) // 2 for side, count in zip(samples.shape, counts, strict=True)]
    corners = [
        (first[0] + CELL * row, first[1] + CELL * column) for row in range(counts[0]) for column in range(counts[1])
    ]
    return [(y, x) for y, x in corners if (samples[y : y + CELL, x : x + CELL] < limit).all()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A simulated image with point sources of known places [n, 2] (y, x) and peaks [n], in its unit."""

    file: str
    sha256: str
    samples: Array
    beam: Beam
    places: F64
    peaks: F64


def source_fields(n_fields: int = 2, side: int = 1024, n_sources: int = 200) -> Iterator[Field]:
    """Yield fields of noise of rms 1e-4 with point sources of 5 to 1000 sigma, N(>S) as 1/S, 24 pixels apart."""
    from radcodec.simulate import simulate_image

    noise = 1e-4
    for number in range(n_fields):
        rng = np.random.default_rng(100 + number)
        blank = simulate_image(
            (side, side), seed=7100 + number, noise_rms=noise, n_sources=0, beam_pa_deg=FIELD_BEAM.angle_deg,
            beam_fwhm_px=(FIELD_BEAM.major, FIELD_BEAM.minor),
        )  # fmt: skip
        grid = np.stack(np.meshgrid(np.arange(32, side - 31, 32.0), np.arange(32, side - 31, 32.0)), axis=-1)
        chosen = rng.permutation(grid.reshape(-1, 2))[:n_sources]
        places = chosen + rng.uniform(-JITTER, JITTER, chosen.shape)
        peaks = noise * 5.0 / (0.005 + 0.995 * rng.random(len(places)))
        samples = inject(blank, places, peaks, FIELD_BEAM)
        yield Field(
            file=f"simulated/sources-{number}", sha256=hashlib.sha256(samples.tobytes()).hexdigest(), samples=samples,
            beam=FIELD_BEAM, places=places, peaks=peaks,
        )  # fmt: skip
