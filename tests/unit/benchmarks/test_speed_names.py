"""Tables of speed say which lines are the command line's defaults, and pages quote these where they were measured."""

from __future__ import annotations

from pathlib import Path

from benchmarks.reporting.facts import Facts
from benchmarks.reporting.pages.overview import SPEED_PIXELS, speed_table
from benchmarks.reporting.results import Results
from benchmarks.reporting.speeds import name_of
from benchmarks.rows import write_short
from benchmarks.speed.simulated import COLUMNS
from benchmarks.types import Row


def row_of(verify: bool, preview: str, speed: str, codec: str = "radcodec") -> Row:
    """A row of ``speed`` at sigma/8 on 4096 x 4096 pixels."""
    cells = {
        "machine": "m", "commit": "c", "track": "bounded", "bound": "sigma/8", "file": "f", "shape": "4096x4096",
        "pixels": str(SPEED_PIXELS), "codec": codec, "threads": "1", "verify": str(verify), "preview": preview,
        "status": "ok", "bits_per_pixel": "1.2", "encode_mpix_s": speed, "decode_mpix_s": "9", "repeats": "5",
    }  # fmt: skip
    return {name: cells.get(name, "") for name in COLUMNS}


def results_of(folder: Path, *rows: Row) -> Results:
    """Results with these rows."""
    write_short(folder / "2026-01-03_some-machine_bbbbbbb_speed.csv", COLUMNS, rows)
    return Results(folder)


def test_names() -> None:
    """A preview and a check are named, of radcodec alone."""
    found = [name_of(row_of(verify, preview, "1")) for preview in ("1", "0", "") for verify in (True, False)]
    assert found == [
        "radcodec, preview, verified", "radcodec, preview", "radcodec, verified", "radcodec", "radcodec, verified",
        "radcodec",
    ]  # fmt: skip
    assert name_of(row_of(False, "0", "1", codec="jpeg2000")) == "jpeg2000"


def test_pages_quote_the_defaults(tmp_path: Path) -> None:
    """Of verified rows the one with a preview counts, of the others the one without."""
    rows = [row_of(verify, preview, f"{2 * verify + int(preview)}") for verify in (False, True) for preview in "01"]
    facts = Facts(results_of(tmp_path, *rows))
    for verify, expected in ((True, "3"), (False, "0")):
        row = facts.speed("radcodec", "1", "sigma/8", SPEED_PIXELS, verify=verify)
        assert row is not None
        assert row["encode_mpix_s"] == expected


def test_a_table_says_what_it_shows(tmp_path: Path) -> None:
    """The note under the table says whether a preview was made."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    without, both = row_of(True, "0", "2"), row_of(True, "1", "1")
    for folder, rows, said in (
        (old, [without], "radcodec checks what it wrote, without a preview"),
        (new, [without, both], "radcodec makes a preview and checks what it wrote"),
    ):
        table = speed_table(results_of(folder, *rows))
        assert table is not None
        assert table.notes[0].startswith(said)
        assert len(table.rows) == 1
