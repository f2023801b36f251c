"""What archive tools do to whole FITS files as they are called without options, as CSV rows.

Nothing is equal here but the input: some tools are exact, others choose an error by their own estimate of the noise. So
each row says what was done: bits a pixel of the whole file, the largest error and the RMSE in units of sigma, and the
noise afterwards over the noise before (both 1.4826 MAD). Errors are of physical values (BSCALE and BZERO applied).

The last codec is radcodec asked for no more than the largest error that fpack's default made in that file.
"""

from __future__ import annotations

import gzip
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zstandard

from benchmarks import machine
from benchmarks.data.datasets import has_files, images, sigma
from benchmarks.rivals.fpack import fpack_version
from benchmarks.rivals.ours import Radcodec
from benchmarks.rivals.zstd import Zstd
from benchmarks.rows import append_row, failure, rows_done
from benchmarks.types import F64

COLUMNS = (
    "machine", "commit", "track", "set", "file", "data_sha256", "dtype", "pixels", "codec", "codec_version", "setting",
    "status", "bytes", "bits_per_pixel", "sigma", "max_error_sigma", "rmse_sigma", "rms_ratio", "encode_s", "decode_s",
)  # fmt: skip
KEY = ("file", "codec")
EQUAL = "radcodec at fpack's error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool that turns a FITS file into another file and back."""

    name: str
    setting: str
    version: Callable[[], str]
    pack: Callable[[Path, Path], object]
    unpack: Callable[[Path, Path], object]


def call(*arguments: str) -> Callable[[Path, Path], object]:
    """Return a command that is given ``-O OUTPUT INPUT``."""
    return lambda source, target: subprocess.run(
        [*arguments, "-O", str(target), str(source)], check=True, capture_output=True
    )


def astropy_pack(source: Path, target: Path) -> None:
    """Write the file with its images in astropy's CompImageHDU."""
    from astropy.io import fits

    with fits.open(source) as hdus:
        packed = [fits.CompImageHDU(hdu.data, hdu.header) if hdu.is_image and hdu.size else hdu for hdu in hdus]
        if not isinstance(packed[0], fits.PrimaryHDU):
            packed.insert(0, fits.PrimaryHDU())
        fits.HDUList(packed).writeto(target, output_verify="ignore")


def copy(source: Path, target: Path) -> None:
    """Copy the file: readers of it read packed images too."""
    target.write_bytes(source.read_bytes())


def astropy_version() -> str:
    """Return the version of astropy."""
    import astropy

    return str(astropy.__version__)


def radcodec_pack(max_error: float | None) -> Callable[[Path, Path], object]:
    """Return radcodec's ``compress`` with one thread."""
    import radcodec

    return lambda source, target: radcodec.compress(source, target, max_error=max_error, threads=1)


def radcodec_unpack(source: Path, target: Path) -> object:
    """Run radcodec's ``decompress`` with one thread."""
    import radcodec

    return radcodec.decompress(source, target, threads=1)


def tools() -> list[Tool]:
    """List every tool, installed or not."""
    zstd, python_gzip = zstandard.ZstdCompressor(), "level 6"
    return [
        Tool(
            name="radcodec", setting="compress, 1 thread", version=Radcodec().version, pack=radcodec_pack(None),
            unpack=radcodec_unpack,
        ),
        Tool(
            name="gzip", setting=python_gzip, version=lambda: "",
            pack=lambda source, target: target.write_bytes(gzip.compress(source.read_bytes(), 6, mtime=0)),
            unpack=lambda source, target: target.write_bytes(gzip.decompress(source.read_bytes())),
        ),
        Tool(
            name="zstd", setting="level 3", version=Zstd().version,
            pack=lambda source, target: target.write_bytes(zstd.compress(source.read_bytes())),
            unpack=lambda source, target: target.write_bytes(
                zstandard.ZstdDecompressor().decompress(source.read_bytes())
            ),
        ),
        # The seed of the dither is the only difference to a call without options, where it is the clock.
        *(
            Tool(
                name=name, setting=" ".join(["fpack", *flags, "-q1 4"]), version=fpack_version,
                pack=call("fpack", *flags, "-q1", "4"), unpack=call("funpack"),
            )
            for name, flags in (("fpack", []), ("fpack -h", ["-h"]), ("fpack -g2", ["-g2"]))
        ),
        Tool(
            name="astropy CompImageHDU", setting="CompImageHDU(data, header)", version=astropy_version,
            pack=astropy_pack, unpack=copy,
        ),
    ]  # fmt: skip


def pixels_of(path: Path) -> list[F64]:
    """Read the physical values of every image HDU that has some."""
    from astropy.io import fits

    with warnings.catch_warnings(), fits.open(path) as hdus:
        warnings.simplefilter("ignore")
        return [np.array(hdu.data, np.float64) for hdu in hdus if hdu.is_image and hdu.data is not None]


def measure_tool(tool: Tool, source: Path, before: list[F64], noise: float) -> dict[str, object]:
    """Measure the cells of a row; for several images the largest error, and RMSE and noise of them all."""
    with tempfile.TemporaryDirectory() as folder:
        packed, restored = Path(folder) / "packed.fits", Path(folder) / "restored.fits"
        start = time.perf_counter()
        tool.pack(source, packed)
        middle = time.perf_counter()
        tool.unpack(packed, restored)
        stop = time.perf_counter()
        after, size = pixels_of(restored), packed.stat().st_size
    if [image.shape for image in after] != [image.shape for image in before]:
        return {"status": "failed: other images came back"}
    old, new = (np.concatenate([image.ravel() for image in images]) for images in (before, after))
    finite = np.isfinite(old)
    difference = np.abs(new - old)[finite]
    kept = np.array_equal(np.isfinite(new), finite)
    return {
        "status": "ok" if kept else "other pixels are finite", "bytes": size, "pixels": old.size,
        "bits_per_pixel": f"{8 * size / old.size:.5f}", "sigma": repr(noise),
        "max_error_sigma": f"{difference.max() / noise:.6g}",
        "rmse_sigma": f"{np.sqrt(np.mean(difference**2)) / noise:.6g}",
        "rms_ratio": f"{sigma(new) / sigma(old):.6f}",
        "encode_s": f"{middle - start:.6f}", "decode_s": f"{stop - middle:.6f}",
    }  # fmt: skip


def cells_of(tool: Tool, source: Path, before: list[F64], noise: float) -> dict[str, object]:
    """Return the cells of a row, also for a tool that is missing or fails."""
    try:
        version = tool.version()
    except ImportError as err:
        return {"status": f"missing: {err}", "setting": tool.setting}
    try:
        measured = measure_tool(tool, source, before, noise)
    except Exception as err:  # whatever a foreign tool throws is its result
        measured = {"status": failure(err)}
    return {"codec_version": version, "setting": tool.setting} | measured


def run_defaults(*, data: Path, sets: list[str], out: Path, commit: str) -> int:
    """Measure every tool on every file; return the number of rows added.

    Files whose images are constant have none.
    """
    done, n_rows = rows_done(out, KEY), 0
    for chosen in filter(has_files, sets):
        files = {image.file: image for image in images(data, chosen)}
        for file, image in files.items():
            before = pixels_of(data / file)
            noise = sigma(np.concatenate([plane.ravel() for plane in before]))
            if noise == 0 or (file, EQUAL) in done:
                continue
            known: dict[str, object] = {
                "machine": machine.system(), "commit": commit, "track": "defaults", "set": chosen, "file": file,
                "data_sha256": image.sha256, "dtype": str(image.samples.dtype),
            }  # fmt: skip
            rows = {tool.name: cells_of(tool, data / file, before, noise) for tool in tools()}
            reached = float(str(rows["fpack"].get("max_error_sigma", "0"))) * noise
            if reached > 0:
                equal = Tool(
                    name=EQUAL, setting="compress --max-error, 1 thread", version=Radcodec().version,
                    pack=radcodec_pack(reached), unpack=radcodec_unpack,
                )  # fmt: skip
                rows[EQUAL] = cells_of(equal, data / file, before, noise)
            for name, cells in rows.items():
                if (file, name) not in done:
                    append_row(out, COLUMNS, known | {"codec": name} | cells)
                    n_rows += 1
    return n_rows
