"""What each bound that the quick start recommends does to whole FITS files, as CSV rows.

Options are those that a user types, so a bound in sigma takes the noise that the command line measures. Beside them
stand ``gzip`` and ``fpack`` without options. Every row says how large the file is and how large the errors are: over
the whole image, and in the tenths of it with the lowest and the highest noise, in units of the noise of each cell.

Cells are 64 x 64 pixels. Their noise is 1.4826 MAD of the original. The set ``mosaic`` is one simulated image whose
noise grows 7.5 times towards its edge, NaN beyond.
"""

from __future__ import annotations

import gzip
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.data.datasets import images, sigma
from benchmarks.rivals.fpack import fpack_version
from benchmarks.rivals.ours import Radcodec
from benchmarks.rows import append_row, failure, rows_done
from benchmarks.run.defaults import call, pixels_of
from benchmarks.types import F64

COLUMNS = (
    "machine", "commit", "track", "set", "file", "data_sha256", "pixels", "original_bytes", "codec", "codec_version",
    "setting", "status", "bytes", "bits_per_pixel", "sigma_mad", "sigma_used", "max_error", "max_error_sigma",
    "rmse_mad", "rms_ratio", "rmse_quiet", "rmse_noisy", "encode_s", "decode_s",
)  # fmt: skip
KEY = ("file", "codec", "setting")
#: What a user types behind ``radcodec compress IN.fits``, and the keywords of ``radcodec.compress``.
OPTIONS: dict[str, dict[str, Any]] = {
    "": {},
    "--max-error 0.125sigma": {"max_error": "0.125sigma"},
    "--max-error 0.25sigma": {"max_error": "0.25sigma"},
    "--max-error 0.5sigma --dither": {"max_error": "0.5sigma", "dither": True},
    "--max-error 1sigma": {"max_error": "1sigma"},
    "--max-error 0.125localsigma": {"max_error": "0.125localsigma"},
}
CELL = 64
MOSAIC, MOSAIC_SIDE, MOSAIC_SEED = "mosaic", 1024, 41
#: Half the peak of the primary beam: noise grows by exp(4 ln 2 (512 / 600)^2) = 7.5 from the middle to the edge.
PRIMARY_BEAM_PX = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A FITS file to compress, with the hash of its content."""

    name: str
    content: bytes
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a tool made of a file: the restored file, the size, seconds, and bound and noise where it names them."""

    restored: Path
    size: int
    encode_s: float
    decode_s: float
    max_error: float | None = None
    sigma_used: float | None = None


def sources(data: Path, chosen: str, every: int = 1) -> Iterator[Source]:
    """Yield each Nth file of a set; ``mosaic`` is made in code."""
    if chosen == MOSAIC:
        content = mosaic()
        yield Source(name=f"{MOSAIC}/{MOSAIC_SIDE}", content=content, sha256=_digest(content))
        return
    found = {image.file: image.sha256 for image in images(data, chosen)}
    for name, sha256 in islice(found.items(), 0, None, every):
        yield Source(name=name, content=(data / name).read_bytes(), sha256=sha256)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def mosaic() -> bytes:
    """Return a FITS file of a round field whose noise grows towards its edge as that of a mosaic does."""
    from radcodec.simulate import pack_fits, simulate_image

    side = MOSAIC_SIDE
    image = simulate_image((side, side), seed=MOSAIC_SEED, n_sources=150, primary_beam_fwhm_px=PRIMARY_BEAM_PX)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    image[np.hypot(y, x) > side / 2] = np.nan
    return pack_fits(image)


def compressed(source: Path, folder: Path, options: dict[str, Any]) -> Outcome:
    """Compress a file with radcodec in one thread, and restore it."""
    import radcodec

    packed, restored = folder / "packed.rcz", folder / "restored.fits"
    start = time.perf_counter()
    report = radcodec.compress(source, packed, threads=1, overwrite=True, **options)
    middle = time.perf_counter()
    radcodec.decompress(packed, restored, threads=1, overwrite=True)
    return Outcome(
        restored=restored, size=packed.stat().st_size, encode_s=middle - start, decode_s=time.perf_counter() - middle,
        max_error=report.max_error, sigma_used=report.sigma,
    )  # fmt: skip


def gzipped(source: Path, folder: Path) -> Outcome:
    """Compress a file with gzip's default level, and restore it."""
    content = source.read_bytes()
    start = time.perf_counter()
    packed = gzip.compress(content, 6, mtime=0)
    middle = time.perf_counter()
    (folder / "restored.fits").write_bytes(gzip.decompress(packed))
    return Outcome(
        restored=folder / "restored.fits", size=len(packed), encode_s=middle - start,
        decode_s=time.perf_counter() - middle,
    )  # fmt: skip


def fpacked(source: Path, folder: Path) -> Outcome:
    """Compress a file with fpack as it comes, and restore it; the seed of its dither is fixed."""
    packed, restored = folder / "packed.fits.fz", folder / "restored.fits"
    for path in (packed, restored):
        path.unlink(missing_ok=True)
    start = time.perf_counter()
    call("fpack", "-q1", "4")(source, packed)
    middle = time.perf_counter()
    call("funpack")(packed, restored)
    return Outcome(
        restored=restored, size=packed.stat().st_size, encode_s=middle - start, decode_s=time.perf_counter() - middle
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool with its options: how its rows name it, and what it does."""

    codec: str
    setting: str
    version: Callable[[], str]
    run: Callable[[Path, Path], Outcome]


def tools() -> list[Tool]:
    """List the tools: radcodec with every option text, gzip and fpack."""

    def ours(options: dict[str, Any]) -> Callable[[Path, Path], Outcome]:
        return lambda source, folder: compressed(source, folder, options)

    version = Radcodec().version
    found = [Tool(codec="radcodec", setting=text, version=version, run=ours(given)) for text, given in OPTIONS.items()]
    return [
        *found,
        Tool(codec="gzip", setting="", version=lambda: "", run=gzipped),
        Tool(codec="fpack", setting="", version=fpack_version, run=fpacked),
    ]


def cell_noise(image: F64) -> F64:
    """Return the noise of every pixel's cell; NaN where under half of a cell is finite, or its noise is 0."""
    noise = np.full(image.shape, np.nan)
    for y in range(0, image.shape[-2], CELL):
        for x in range(0, image.shape[-1], CELL):
            part = (..., slice(y, y + CELL), slice(x, x + CELL))
            cell = image[part]
            if 2 * np.isfinite(cell).sum() >= cell.size and (found := sigma(cell)) > 0:
                noise[part] = found
    return noise


def relative_errors(before: F64, after: F64) -> tuple[float, float]:
    """Return the RMSE in units of the cell's noise, in the quietest and in the noisiest tenth of the pixels."""
    noise = cell_noise(before)
    known = np.isfinite(noise) & np.isfinite(before)
    if not known.any():
        return float("nan"), float("nan")
    order = np.argsort(noise[known], kind="stable")
    squares = (((after - before)[known] / noise[known]) ** 2)[order]
    tenth = max(1, len(squares) // 10)
    return float(np.sqrt(squares[:tenth].mean())), float(np.sqrt(squares[-tenth:].mean()))


def measure_tool(tool: Tool, source: Path, before: F64, folder: Path) -> dict[str, object]:
    """Measure the cells of a row: the first image of a file, in physical units."""
    out = tool.run(source, folder)
    (after, *_) = pixels_of(out.restored)
    finite = np.isfinite(before)
    if after.shape != before.shape or not np.array_equal(np.isfinite(after), finite):
        return {"status": "other pixels are finite"}
    error, noise = np.abs(after - before)[finite], sigma(before)
    holds = out.max_error is None or float(error.max()) <= out.max_error
    quiet, noisy = relative_errors(before, after)
    used = "" if out.sigma_used is None else repr(out.sigma_used)
    return {
        "status": "ok" if holds else "demand not met", "bytes": out.size,
        "bits_per_pixel": f"{8 * out.size / before.size:.5f}", "sigma_mad": repr(noise), "sigma_used": used,
        "max_error": "" if out.max_error is None else repr(out.max_error),
        "max_error_sigma": f"{error.max() / (out.sigma_used or noise):.6g}",
        "rmse_mad": f"{np.sqrt(np.mean(error**2)) / noise:.6g}", "rms_ratio": f"{sigma(after) / noise:.6f}",
        "rmse_quiet": f"{quiet:.6g}", "rmse_noisy": f"{noisy:.6g}",
        "encode_s": f"{out.encode_s:.6f}", "decode_s": f"{out.decode_s:.6f}",
    }  # fmt: skip


def cells_of(tool: Tool, source: Path, before: F64, folder: Path) -> dict[str, object]:
    """Return the cells of a row, also for a tool that is missing or fails."""
    try:
        version = tool.version()
    except ImportError as err:
        return {"status": f"missing: {err}"}
    try:
        return {"codec_version": version} | measure_tool(tool, source, before, folder)
    except Exception as err:  # whatever a foreign tool throws is its result
        return {"codec_version": version, "status": failure(err)}


def run_bounds(*, data: Path, sets: list[str], out: Path, commit: str, every: int = 1) -> int:
    """Measure every tool on every file whose first image has noise; return the number of rows added."""
    done, n_rows = rows_done(out, KEY), 0
    for chosen in sets:
        for source in sources(data, chosen, every):
            todo = [tool for tool in tools() if (source.name, tool.codec, tool.setting) not in done]
            if not todo:
                continue
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                path = folder / "image.fits"
                path.write_bytes(source.content)
                (before, *_) = pixels_of(path)
                if sigma(before) == 0:
                    continue
                known: dict[str, object] = {
                    "machine": machine.system(), "commit": commit, "track": "bounds", "set": chosen,
                    "file": source.name, "data_sha256": source.sha256, "pixels": before.size,
                    "original_bytes": len(source.content),
                }  # fmt: skip
                for tool in todo:
                    about = {"codec": tool.codec, "setting": tool.setting}
                    append_row(out, COLUMNS, known | about | cells_of(tool, path, before, folder))
                    n_rows += 1
    return n_rows
