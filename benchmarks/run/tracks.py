"""Sizes of every codec on every image of some sets, as CSV rows; rows that the file holds are not measured again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine
from benchmarks.data.datasets import Image, has_files, images, lattice_integers, sigma
from benchmarks.measure import measure
from benchmarks.rivals.base import Rival, Track, Unsupported
from benchmarks.rivals.registry import all_rivals, installed
from benchmarks.rows import append_row, failure, rows_done, shape_text, size_cells
from benchmarks.run.files import absolute_error, gzip_file, measure_file
from benchmarks.types import Array, Cells

COLUMNS = (
    "machine", "commit", "track", "bound", "set", "file", "hdu", "data_sha256", "shape", "dtype", "pixels",
    "header_zstd_bytes", "codec", "codec_version", "setting", "status", "bytes", "bits_per_pixel",
    "payload_bits_per_pixel", "max_error_allowed", "max_error", "rmse", "encode_s", "decode_s", "repeats",
)  # fmt: skip
KEY = ("track", "bound", "file", "hdu", "codec")


@dataclass(frozen=True, slots=True)
class Demand:
    """What a track asks of a codec; ``divisor`` counts for the bounded track, where E = sigma / divisor."""

    track: Track
    divisor: float = 1.0

    @property
    def bound(self) -> str:
        """The bound as rows name it."""
        return f"sigma/{self.divisor:g}" if self.track is Track.BOUNDED else ""

    def job_of(self, image: Image) -> tuple[Array, float | None] | None:
        """Return the samples to code and their largest error; None for an image that the track does not take."""
        if self.track is Track.BOUNDED:
            error = sigma(image.samples) / self.divisor
            return (image.samples, error) if error > 0 else None
        if self.track is Track.INTEGERS:
            integers = lattice_integers(image.samples)
            return None if integers is None else (integers, None)
        if self.track is Track.LATTICES and (
            image.samples.dtype.kind != "f" or lattice_integers(image.samples) is None
        ):
            return None
        return image.samples, None


def row_of(rival: Rival, samples: Array, max_error: float | None, repeats: int) -> Cells | None:
    """Measure the cells of a row; None for a codec that has no such mode."""
    try:
        got = measure(rival, samples, max_error=max_error, repeats=repeats)
    except Unsupported:
        return None
    except Exception as err:  # whatever a foreign codec raises is its result
        return {"status": failure(err)}
    return size_cells(got, samples.size) | {
        "max_error": f"{got.max_error:.9g}",
        "rmse": f"{got.rmse:.9g}",
        "encode_s": f"{got.encode_s:.6f}",
        "decode_s": f"{got.decode_s:.6f}",
    }


def run_files(*, data: Path, sets: list[str], divisor: float | None, out: Path, commit: str) -> int:
    """Measure whole FITS files, lossless or bounded by sigma / ``divisor``; return the number of rows added."""
    bound, n_rows, done, seen = f"sigma/{divisor:g}" if divisor else "", 0, rows_done(out, KEY), set()
    version = all_rivals()["radcodec"].version()
    for chosen in filter(has_files, sets):
        for image in images(data, chosen):
            path = data / image.file
            error = absolute_error(path, image, divisor) if divisor else None
            if image.file in seen or error == 0:
                continue
            seen.add(image.file)
            for codec in ("radcodec",) if divisor else ("radcodec", "gzip"):
                key = ("files", bound, image.file, "", codec)
                if key in done:
                    continue
                known = {
                    "machine": machine.system(), "commit": commit, "set": chosen, "data_sha256": image.sha256,
                    "shape": shape_text(image.samples.shape), "dtype": str(image.samples.dtype),
                    "pixels": image.samples.size, "codec": codec, "repeats": 1,
                    "codec_version": version if codec == "radcodec" else "",
                    "setting": "default, 1 thread" if codec == "radcodec" else "level 9",
                }  # fmt: skip
                if codec == "radcodec":
                    measured = measure_file(path, max_error=error)
                else:
                    measured = gzip_file(path, image.samples.size)
                append_row(out, COLUMNS, dict(zip(KEY, key, strict=True)) | known | measured)
                n_rows += 1
    return n_rows


def run_track(
    rivals: list[Rival], demand: Demand, *, data: Path, sets: list[str], repeats: int, out: Path, commit: str
) -> int:
    """Measure codecs on one track, and write each row after its measurement; return the number of rows added.

    A codec that is not installed gets one row without a file, which says so.
    """
    versions, missing = installed(rivals)
    done, n_rows = rows_done(out, KEY), 0
    common: Cells = {"machine": machine.system(), "commit": commit}
    for name, reason in missing.items():
        key = (demand.track.value, demand.bound, "", "", name)
        if key not in done:
            append_row(out, COLUMNS, dict(zip(KEY, key, strict=True)) | common | {"status": f"missing: {reason}"})
    for chosen, image, samples, max_error in jobs(demand, data, sets):
        for rival in rivals:
            key = (demand.track.value, demand.bound, image.file, str(image.hdu), rival.name)
            if rival.name not in versions or key in done:
                continue
            measured = row_of(rival, samples, max_error, repeats)
            if measured is None:
                continue
            known: Cells = {
                "set": chosen, "data_sha256": image.sha256, "shape": shape_text(samples.shape),
                "dtype": str(samples.dtype), "pixels": samples.size, "header_zstd_bytes": image.header_zstd_bytes,
                "codec_version": versions[rival.name], "setting": rival.setting, "repeats": repeats,
                "max_error_allowed": "" if max_error is None else repr(max_error),
            }  # fmt: skip
            append_row(out, COLUMNS, dict(zip(KEY, key, strict=True)) | common | known | measured)
            n_rows += 1
    return n_rows


def jobs(demand: Demand, data: Path, sets: list[str]) -> Iterator[tuple[str, Image, Array, float | None]]:
    """Yield set, image, samples and largest error of every image that the track takes."""
    for chosen in sets:
        for image in images(data, chosen):
            job = demand.job_of(image)
            if job is not None:
                yield chosen, image, *job
