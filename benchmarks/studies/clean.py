"""What tables and header dictionary from invented data alone cost, beside the shipped ones, as CSV rows.

``tables``: each float image is encoded as an array, lossless and at bounds, with either table set of the detail layer.
``headers``: the bytes of all headers of a file, each compressed alone, with either dictionary.

    python -m radcodec.training.detail_tables clean.tables
    python -m radcodec.training.header_dictionary clean.zdict
    python -m benchmarks clean --tables clean.tables --headers clean.zdict --set first/test --set telescopes
"""

from __future__ import annotations

import hashlib
import shutil
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from unittest.mock import patch

from benchmarks.data.datasets import Image, images, sigma
from benchmarks.rows import append_row, image_cells, rows_done
from benchmarks.types import Cells, Row

COLUMNS = (
    "machine", "commit", "set", "file", "hdu", "data_sha256", "shape", "dtype", "pixels", "what", "bound",
    "other_sha256", "shipped_bytes", "other_bytes",
)  # fmt: skip
KEY = ("file", "hdu", "what", "bound")
SETS = ("first/test", "telescopes", "cubes")
DIVISORS = (None, 8.0, 2.0)
TABLES, HEADERS = "tables", "headers"


@contextmanager
def installed_tables(tables: Path) -> Iterator[None]:
    """Have radcodec use another table set, as if it were the shipped one."""
    from radcodec.detail.tables import FILE_NAME, default_tables
    from radcodec.runtime import resources

    shipped = resources.find_models_folder()
    if shipped is None:
        raise SystemExit("clean: expected the folder of models, found none; run it in a checkout")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(shipped, folder, dirs_exist_ok=True)
        shutil.copyfile(tables, Path(folder) / FILE_NAME)
        default_tables.cache_clear()
        with patch.object(resources, "find_models_folder", lambda: Path(folder)):
            yield
        default_tables.cache_clear()


def encoded_bytes(image: Image) -> dict[str, int]:
    """Return the bytes of an image's stream, lossless ("") and at each bound; constant images have no bounds."""
    import radcodec

    noise, found = sigma(image.samples), {}
    for divisor in DIVISORS:
        if divisor is None or noise > 0:
            error = None if divisor is None else noise / divisor
            stream = radcodec.encode(image.samples, max_error=error, threads=1, verify=False)
            found["" if divisor is None else f"sigma/{divisor:g}"] = len(stream)
    return found


def table_cells(image: Image, tables: Path) -> Iterator[Cells]:
    """Yield the measured cells of an image at each bound."""
    shipped = encoded_bytes(image)
    with installed_tables(tables):
        other = encoded_bytes(image)
    for bound, size in shipped.items():
        yield {"what": TABLES, "bound": bound, "shipped_bytes": size, "other_bytes": other[bound]}


def header_bytes(path: Path, dictionary: bytes) -> int:
    """Return the bytes of all headers of a file, each compressed alone."""
    from radcodec.fits.parse import parse_fits
    from radcodec.training.header_dictionary import mean_size

    data = path.read_bytes()
    headers = [header for hdu in parse_fits(data) if (header := data[hdu.header_start : hdu.data_start])]
    return round(mean_size(headers, dictionary) * len(headers))


def run_clean(
    *, data: Path, sets: Sequence[str], every: int = 1, tables: Path | None, headers: Path | None, out: Path,
    commit: str,
) -> list[str]:  # fmt: skip
    """Add the rows that ``out`` lacks for the given files; gives a Markdown table of all of them."""
    from radcodec.runtime.resources import load_header_dictionary

    done, rows = rows_done(out, KEY), list[Row]()
    dictionary = load_header_dictionary()
    taken = ((name, image) for name in sets or SETS for image in islice(images(data, name), 0, None, every))
    for chosen, image in taken:
        missing = {what for what in (TABLES, HEADERS) if (image.file, str(image.hdu), what, "") not in done}
        cells: list[Cells] = []
        if tables is not None and TABLES in missing and image.samples.dtype.kind == "f":
            cells += [found | {"other_sha256": hash_of(tables)} for found in table_cells(image, tables)]
        if headers is not None and dictionary is not None and HEADERS in missing and image.hdu == 0:
            shipped, other = (header_bytes(data / image.file, known) for known in (dictionary[0], headers.read_bytes()))
            cells.append({
                "what": HEADERS, "bound": "", "other_sha256": hash_of(headers), "shipped_bytes": shipped,
                "other_bytes": other,
            })  # fmt: skip
        for found in cells:
            row = image_cells(image, chosen=chosen, commit=commit) | found
            append_row(out, COLUMNS, row)
            rows.append({key: str(value) for key, value in row.items()})
    return clean_lines(rows)


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def clean_lines(rows: Sequence[Row]) -> list[str]:
    """Write a Markdown line for each set and demand: bytes of both, and their ratio."""
    lines = [
        "| what | set | demand | images | shipped, bytes | from invented data, bytes | change, mean of images |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["what"], row["set"], row["bound"]].append(row)
    names = {TABLES: "`detail.tables`", HEADERS: "`headers.zdict`"}
    for (what, chosen, bound), some in groups.items():
        sizes = [(int(row["shipped_bytes"]), int(row["other_bytes"])) for row in some]
        change = statistics.geometric_mean(other / ours for ours, other in sizes) - 1
        demand = "headers" if what == HEADERS else bound or "lossless"
        totals = " | ".join(f"{sum(pair[side] for pair in sizes):,}" for side in (0, 1))
        lines.append(f"| {names[what]} | {chosen} | {demand} | {len(some)} | {totals} | {100 * change:+.2f} % |")
    return lines
