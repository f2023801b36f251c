"""Every codec on every image of some sets, as CSV rows; what a file already holds is not measured again."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import machine
from benchmarks.datasets import Image, has_files, images, lattice_integers, sigma
from benchmarks.files import absolute_error, gzip_file, measure_file
from benchmarks.measure import measure
from benchmarks.rivals.base import Array, Rival, Track, Unsupported
from benchmarks.rivals.registry import all_rivals
from benchmarks.rows import open_csv, rows_done, size_cells

COLUMNS = (
    "machine", "commit", "track", "bound", "set", "file", "hdu", "data_sha256", "shape", "dtype", "pixels",
    "header_zstd_bytes", "codec", "codec_version", "setting", "status", "bytes", "bits_per_pixel",
    "payload_bits_per_pixel", "max_error_allowed", "max_error", "rmse", "encode_s", "decode_s", "repeats",
)  # fmt: skip
KEY = ("track", "bound", "file", "hdu", "codec")


def job_of(image: Image, track: Track, divisor: float) -> tuple[Array, float | None] | None:
    """Samples and bound of one image on one track; None where the track has nothing to say about it."""
    if track is Track.BOUNDED:
        error = sigma(image.samples) / divisor
        return (image.samples, error) if error > 0 else None
    if track is Track.INTEGERS:
        integers = lattice_integers(image.samples)
        return None if integers is None else (integers, None)
    if track is Track.LATTICES and (image.samples.dtype.kind != "f" or lattice_integers(image.samples) is None):
        return None
    return image.samples, None


def row_of(rival: Rival, samples: Array, max_error: float | None, repeats: int) -> dict[str, object] | None:
    """The measured cells of a row; None where the rival has no such mode."""
    try:
        got = measure(rival, samples, max_error=max_error, repeats=repeats)
    except Unsupported:
        return None
    except Exception as err:  # whatever a foreign codec throws is its result
        return {"status": f"failed: {type(err).__name__}: {err}"[:120].replace("\n", " ")}
    return size_cells(got, samples.size) | {
        "max_error": f"{got.max_error:.9g}",
        "rmse": f"{got.rmse:.9g}",
        "encode_s": f"{got.encode_s:.6f}",
        "decode_s": f"{got.decode_s:.6f}",
    }


def available(rivals: list[Rival]) -> tuple[dict[str, str], dict[str, str]]:
    """Versions of the rivals that are there, and why the others are not, which is also said on standard error."""
    versions, missing = {}, {}
    for rival in rivals:
        try:
            versions[rival.name] = rival.version()
        except ImportError as err:
            missing[rival.name] = str(err)
            print(f"missing: {rival.name} ({err})", file=sys.stderr)
    return versions, missing


def run_files(*, data: Path, sets: list[str], divisor: float | None, out: Path, commit: str) -> int:
    """Number of rows added for whole FITS files: lossless, or bounded by sigma / ``divisor``."""
    bound, n_rows, done, seen = f"sigma/{divisor:g}" if divisor else "", 0, rows_done(out, KEY), set()
    version = all_rivals()["radcodec"].version()
    with out.open("a", newline="", encoding="utf-8") as file:
        writer = open_csv(file, COLUMNS)
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
                        "shape": "x".join(map(str, image.samples.shape)), "dtype": str(image.samples.dtype),
                        "pixels": image.samples.size, "codec": codec, "repeats": 1,
                        "codec_version": version if codec == "radcodec" else "",
                        "setting": "default, 1 thread" if codec == "radcodec" else "level 9",
                    }  # fmt: skip
                    if codec == "radcodec":
                        measured = measure_file(path, max_error=error)
                    else:
                        measured = gzip_file(path, image.samples.size)
                    writer.writerow(dict(zip(KEY, key, strict=True)) | known | measured)
                    file.flush()
                    n_rows += 1
    return n_rows


def run(
    rivals: list[Rival],
    *,
    data: Path,
    sets: list[str],
    track: Track,
    divisor: float,
    out: Path,
    repeats: int,
    commit: str,
) -> int:
    """Number of rows added to ``out``; each is written as soon as it is measured.

    A rival that is not installed gets one row without a file, which says so.
    """
    bound = f"sigma/{divisor:g}" if track is Track.BOUNDED else ""
    versions, missing = available(rivals)
    done = rows_done(out, KEY)
    n_rows = 0
    with out.open("a", newline="", encoding="utf-8") as file:
        writer = open_csv(file, COLUMNS)
        for name, reason in missing.items():
            key = (track.value, bound, "", "", name)
            if key not in done:
                why = {"machine": machine.system(), "commit": commit, "status": f"missing: {reason}"}
                writer.writerow(dict(zip(KEY, key, strict=True)) | why)
        for chosen in sets:
            for image in images(data, chosen):
                job = job_of(image, track, divisor)
                if job is None:
                    continue
                samples, max_error = job
                for rival in rivals:
                    key = (track.value, bound, image.file, str(image.hdu), rival.name)
                    if rival.name not in versions or key in done:
                        continue
                    measured = row_of(rival, samples, max_error, repeats)
                    if measured is None:
                        continue
                    known = {
                        "machine": machine.system(), "commit": commit, "set": chosen, "data_sha256": image.sha256,
                        "shape": "x".join(map(str, samples.shape)), "dtype": str(samples.dtype), "pixels": samples.size,
                        "header_zstd_bytes": image.header_zstd_bytes, "codec_version": versions[rival.name],
                        "setting": rival.setting, "repeats": repeats,
                        "max_error_allowed": "" if max_error is None else repr(max_error),
                    }  # fmt: skip
                    writer.writerow(dict(zip(KEY, key, strict=True)) | known | measured)
                    file.flush()
                    n_rows += 1
    return n_rows
