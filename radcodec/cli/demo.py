"""``radcodec demo``: run all modes on a simulated image, check every claim, print a table and draw a picture."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from radcodec import api
from radcodec.cli.common import report_errors, threads_option
from radcodec.cli.streams import say, tell
from radcodec.container.report import Report
from radcodec.errors import GuaranteeError, ModelError
from radcodec.runtime.paths import atomic_file, check_output

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# A field with two double sources, a bent jet, points and blobs.
_SHAPE, _SEED, _N_SOURCES, _BEAM_PX, _MOST_SNR = (256, 256), 3, 60, (5.0, 4.0), 250.0
_IN_SIGMA = 0.125
_NEXT = """next, with an image of yours:
  radcodec estimate IMAGE.fits                               what each mode would take; nothing is written
  radcodec compress IMAGE.fits --max-error 0.125sigma        writes IMAGE.fits.rcz
  radcodec report IMAGE.fits.rcz --against IMAGE.fits        a page with the picture, the bound and the errors"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """Result of one mode of the demo."""

    name: str
    report: Report
    restored: npt.NDArray[np.float64]
    error: float
    restore_seconds: float


def _pixels(path: str) -> npt.NDArray[np.float64]:
    """Return the physical values of a FITS file's primary image, parsed without the codec."""
    import numpy as np

    from radcodec.fits.arrays import stored_samples, to_physical
    from radcodec.fits.parse import parse_fits

    with open(path, "rb") as file:
        data = file.read()
    hdu = parse_fits(data)[0]
    if hdu.image is None:
        raise GuaranteeError(f"expected an image in {path}, found none")
    return to_physical(stored_samples(data, hdu), hdu.image).astype(np.float64).reshape(hdu.image.shape[-2:])


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _try(folder: str, name: str, before: npt.NDArray[np.float64], **options: Any) -> _Row:
    """Run one mode: compress, restore, and check the result against its promise."""
    import numpy as np

    source = os.path.join(folder, "sample.fits")
    packed, restored = os.path.join(folder, f"{name}.rcz"), os.path.join(folder, f"{name}.fits")
    report = api.compress(source, packed, **options)
    back = api.decompress(packed, restored)
    api.verify(packed, against=source)
    after = _pixels(restored)
    error = float(np.nanmax(np.abs(after - before)))
    if report.mode == "lossless" and _digest(source) != _digest(restored):
        raise GuaranteeError("the lossless file did not come back byte for byte")
    if report.max_error is not None and error > report.max_error:
        raise GuaranteeError(f"a pixel is off by {error}, more than the bound {report.max_error}")
    return _Row(name=name, report=report, restored=after, error=error, restore_seconds=back.seconds or 0.0)


def _picture(rows: list[_Row], before: npt.NDArray[np.float64], sigma: float) -> bytes:
    """Draw the images in units of the noise, and the error of the bounded one, as PNG."""
    from radcodec.pages.figure import FIRE, SIGNED, Panel, Scale, draw

    sky = Scale(low=-3, high=_MOST_SNR, soft=3.0, ticks=(-3, 0, 3, 10, 30, 100), colours=FIRE, name="sigma")
    error = Scale(
        low=-_IN_SIGMA, high=_IN_SIGMA, soft=None, ticks=(-_IN_SIGMA, 0, _IN_SIGMA), colours=SIGNED,
        name="sigma, original less bounded",
    )  # fmt: skip
    by_name = {row.name: row for row in rows}
    bounded = by_name["bounded"]

    def title(name: str, words: str) -> tuple[str, str]:
        report = by_name[name].report
        return words, f"{report.bits_per_pixel or 0:.2f} bits/px, {report.ratio:.1f}x"

    panels = [Panel(image=before / sigma, title=title("lossless", "original, exact"), scale=sky)]
    if "lossy" in by_name:
        lossy = by_name["lossy"]
        panels.append(Panel(image=lossy.restored / sigma, title=title("lossy", "lossy"), scale=sky))
    panels.append(Panel(image=bounded.restored / sigma, title=title("bounded", "within sigma/8"), scale=sky))
    words = ("error of sigma/8", f"at most {bounded.error / sigma:.4f} sigma")
    panels.append(Panel(image=(before - bounded.restored) / sigma, title=words, scale=error))
    return draw(panels)


def _table(rows: list[_Row], sigma: float) -> str:
    names = f"{'mode':<10}{'bytes':>9}{'bits/px':>9}{'ratio':>8}"
    lines = [names + f"{'max error':>12}{'in sigma':>10}{'s':>6}{'back s':>8}"]
    for row in rows:
        report = row.report
        in_sigma = f"{row.error / sigma:.4f}" if sigma else ""
        lines.append(
            f"{row.name:<10}{report.size_bytes:>9}{report.bits_per_pixel or 0:>9.3f}{report.ratio:>8.2f}"
            f"{row.error:>12.4g}{in_sigma:>10}{report.seconds or 0:>6.1f}{row.restore_seconds:>8.1f}"
        )
    return "\n".join(lines)


@click.command()
@click.option("--output", default="radcodec-demo.png", show_default=True, metavar="OUT.png", help="The picture.")
@threads_option
def demo(output: str, threads: int | None) -> int:
    """Compress a simulated image in each mode, restore and check it; print a table and write a picture."""
    from radcodec.simulate import pack_fits, simulate_image

    with report_errors("demo"):
        check_output(output, None, overwrite=True)
    with report_errors("demo"), tempfile.TemporaryDirectory(prefix="radcodec-demo-") as folder:
        with open(os.path.join(folder, "sample.fits"), "wb") as file:
            image = simulate_image(_SHAPE, seed=_SEED, beam_fwhm_px=_BEAM_PX, n_sources=_N_SOURCES, max_snr=_MOST_SNR)
            file.write(pack_fits(image, beam_fwhm_px=_BEAM_PX))
        before = _pixels(os.path.join(folder, "sample.fits"))
        rows = [_try(folder, "lossless", before, threads=threads)]
        bound = f"{_IN_SIGMA}sigma"
        rows.append(_try(folder, "bounded", before, max_error=bound, threads=threads))
        try:
            rows.append(_try(folder, "lossy", before, lossy=True, threads=threads))
        except ModelError as error:
            tell(f"radcodec: warning: no lossy mode here: {error}")
        sigma = rows[1].report.sigma or 1.0
        table = _table(rows, sigma)
        with atomic_file(output, overwrite=True) as out:
            out.write(_picture(rows, before, sigma))
    return say(
        f"{table}\n"
        "lossless: byte for byte; bounded: every pixel within the bound; all checksums are correct\n"
        f"{output}: original, lossy and bounded image in units of the noise, and the error of the bounded one\n"
        f"{_NEXT}"
    )
