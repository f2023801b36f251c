"""Posterior samples of a lossy file as a FITS file: a viewer of what the file leaves open, never a measurement."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from radcodec.arrays import F64
from radcodec.decoding.rcz_file import RczFile, Source
from radcodec.errors import InputError, LimitError
from radcodec.limits import MAX_DRAWN_PIXELS, MAX_SAMPLED_PIXELS
from radcodec.reading import cutout
from radcodec.runtime.extras import import_extra
from radcodec.runtime.paths import check_output, output_file
from radcodec.types import HduChoice

MOST_DRAWS = 256
STEPS = 24
MOST_STEPS = 1000
NOT_DATA = (
    "NOT DATA. Drawn by radcodec sample: a diffusion model fills in what a lossy file leaves open.",
    "Draws agree with the codes of the file. Detail in them is invented: do not measure it.",
)
_SCALING = ("BSCALE", "BZERO", "BLANK", "DATAMIN", "DATAMAX", "CHECKSUM", "DATASUM", "ZHECKSUM", "ZDATASUM")


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """Samples of one plane in physical values, NaN where undefined.

    draws : float32 [N, H, W]. mean, spread : float64 [H, W]; the spread is the standard deviation of the draws.
    sampler, sha256 : what drew them.
    """

    draws: npt.NDArray[np.float32]
    mean: F64
    spread: F64
    sampler: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOptions:
    """What to draw, and how.

    Parameters
    ----------
    draws
        Number of samples, 2 to 256.
    steps
        Steps of the denoiser for each, 2 to 1000.
    seed
        Of the noise. Draw k depends on the seed and k, on one machine.
    hdu, plane
        The image, the first one for None; and the number of its plane.
    sampler
        Name or path of the diffusion model; None is the shipped one.

    Raises
    ------
    InputError
        A number is out of range.
    """

    draws: int = 8
    steps: int = STEPS
    seed: int = 0
    hdu: HduChoice | None = None
    plane: int = 0
    sampler: str | None = None

    def __post_init__(self) -> None:
        limits = (("draws", self.draws, 2, MOST_DRAWS), ("steps", self.steps, 2, MOST_STEPS))
        for name, value, least, most in limits:
            if not least <= value <= most:
                raise InputError(f"expected {least} to {most} {name}, found {value}")
        if self.seed < 0:
            raise InputError(f"expected a seed of 0 or more, found {self.seed}")


def draw_posterior(
    file: RczFile, options: SampleOptions, *, progress: Callable[[int], None] | None = None
) -> Posterior:
    """Draw samples of a plane of a lossy image. Needs torch, the extra ``sample``.

    Each draw is an image that a file with these codes may have come from, as the diffusion model knows images. Every
    coefficient lies within the cell of its code. Bit choices of the encoder are not modelled.

    Parameters
    ----------
    file
        An open lossy file.
    progress
        Called with 1 after each draw.

    Raises
    ------
    InputError
        There is no such plane or HDU.
    UnsupportedDataError
        The image is not lossy, or the codes of its model have no cells.
    LimitError
        The planes that share tiles have more than ``limits.MAX_SAMPLED_PIXELS`` pixels, or the draws have more than
        ``MAX_DRAWN_PIXELS``.
    ImportError
        torch is not installed.
    """
    plane, draws = options.plane, options.draws
    image = file.choose(options.hdu).stored
    grid, record = image.coding.grid, image.coding.record
    if not 0 <= plane < grid.n_planes:
        raise InputError(f"expected a plane of 0 to {grid.n_planes - 1}, found {plane}")
    import_extra("torch", "sample", "sampling")
    from radcodec.sampling.field import read_field
    from radcodec.sampling.posterior import draw_samples
    from radcodec.sampling.weights import load_denoiser

    box = grid.box(next(iter(grid.tiles_in_region((plane, plane + 1, 0, 1, 0, 1)))))
    pixels = (box[1] - box[0]) * grid.height * grid.width
    if pixels > MAX_SAMPLED_PIXELS:
        raise LimitError(
            f"expected at most {MAX_SAMPLED_PIXELS} pixels in the planes that share tiles, found {pixels}: cut "
            "a part out and compress that"
        )
    if draws * grid.height * grid.width > MAX_DRAWN_PIXELS:
        size = f"{draws} of {grid.height} x {grid.width}"
        raise LimitError(
            f"expected draws of at most {MAX_DRAWN_PIXELS} pixels in all, found {size}: ask for fewer draws"
        )
    field = read_field(image, plane)
    denoiser, sha256 = load_denoiser(options.sampler)
    drawn = np.empty((draws, grid.height, grid.width), np.float32)
    for number, companded in enumerate(
        draw_samples(denoiser, field, draws=draws, steps=options.steps, seed=options.seed)
    ):
        stored = field.expand(companded)[plane - field.first_plane]
        drawn[number] = record.bzero + record.bscale * stored
        if record.blank is not None:
            drawn[number][stored == record.blank] = np.nan
        if progress is not None:
            progress(1)
    mean = drawn.mean(axis=0, dtype=np.float64)
    spread = drawn.std(axis=0, ddof=1, dtype=np.float64)
    return Posterior(draws=drawn, mean=mean, spread=spread, sampler=denoiser.spec.name, sha256=sha256)


def sample(
    src: Source,
    dst: str | os.PathLike[str] | BinaryIO,
    *,
    overwrite: bool = False,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> Posterior:
    """Write samples of a plane of a lossy image as a FITS file, and return them.

    The primary HDU is their mean; the extensions are STDDEV and each DRAW (EXTVER 1, 2, ...), float32, with the header
    of the plane. All headers say that this is not data (NOTDATA = T).

    Parameters
    ----------
    progress
        Called with 1 after each draw.
    **options
        The fields of `SampleOptions`.

    Raises
    ------
    FileExistsError, OSError
        ``dst`` exists, or the operating system refuses.
    FormatError, ModelError
        The file is not sound, or a model is missing.
    """
    chosen = SampleOptions(**options)
    check_output(dst, src, overwrite)
    with RczFile(src, threads=threads) as file:
        found = draw_posterior(file, chosen, progress=progress)
        header = _plane_header(src, chosen.hdu, chosen.plane)
    hdus = fits.HDUList([fits.PrimaryHDU(found.mean.astype(np.float32), _marked(header, found))])
    hdus.append(fits.ImageHDU(found.spread.astype(np.float32), _marked(header, found), name="STDDEV"))
    for number, draw in enumerate(found.draws, start=1):
        hdus.append(fits.ImageHDU(draw.astype(np.float32), _marked(header, found), name="DRAW", ver=number))
    with output_file(dst, overwrite=overwrite, like=None) as out:
        hdus.writeto(out)
    return found


def _plane_header(src: Source, hdu: HduChoice | None, plane: int) -> fits.Header:
    """Return the header of a cut-out of the plane, without cards of scaling and structure."""
    part = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old headers
        cutout(src, part, plane=plane, hdu=hdu)
        header: fits.Header = fits.getheader(io.BytesIO(part.getvalue()))
    for keyword in (*_SCALING, "EXTEND", "EXTNAME", "EXTVER"):
        header.remove(keyword, ignore_missing=True, remove_all=True)
    return header


def _marked(header: fits.Header, found: Posterior) -> fits.Header:
    """Return a copy of a header that says what the pixels are."""
    marked = header.copy()
    marked["NOTDATA"] = (True, "drawn by a diffusion model, not observed")
    marked["RCSAMPLR"] = (found.sampler, "model that drew the samples")
    marked["RCSHA256"] = (found.sha256[:16], "start of the SHA-256 of its weights")
    marked["RCDRAWS"] = (len(found.draws), "number of samples drawn")
    for line in NOT_DATA:
        marked.add_history(line)
    return marked
