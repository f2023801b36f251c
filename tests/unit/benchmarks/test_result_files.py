"""Result files: the short form, its parts, the folder kept small, and tables of one's own rows alone."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import __main__ as command_line
from benchmarks.paths import RESULTS, ROOT
from benchmarks.reporting.kinds import KINDS, command_of
from benchmarks.reporting.results import ResultFile, Results
from benchmarks.reporting.tidy import MAX_BYTES, part_name, tidy
from benchmarks.rows import append_row, columns_of, read_rows, rows_done, write_short
from benchmarks.run.tracks import COLUMNS
from benchmarks.science.run import SCIENCE_COLUMNS
from benchmarks.types import Row

PAGES = (
    "*.md",
    "docs/*.md",
    "docs/design/*.md",
    "docs/tables/*.md",
    "docs/tutorials/*.md",
    "benchmarks/**/*.md",
    "models/**/*.md",
)
SPREAD = {"": "4", "_least": "3", "_most": "5"}


def write(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> Path:
    """Write full rows."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def size_row(codec: str, chosen: str = "sky", file: str = "sky/a.fits", bits: str = "1.00000") -> Row:
    """Return a row of ``run``."""
    return {
        "machine": "m", "commit": "c", "track": "lossless", "bound": "", "set": chosen, "file": file, "hdu": "0",
        "codec": codec, "status": "ok", "bits_per_pixel": bits,
    }  # fmt: skip


def test_short_form_by_hand(tmp_path: Path) -> None:
    """A cell equal to the one above is a caret; empty cells and those of one character stay as they are."""
    path = tmp_path / "rows.csv"
    write_short(path, ("a", "b", "c"), [{"a": "xx", "b": "1", "c": ""}, {"a": "xx", "b": "1", "c": ""}, {"a": "y"}])
    assert path.read_text(encoding="utf-8") == "a,b,c\nxx,1,\n^,1,\ny,,\n"
    assert read_rows(path) == [{"a": "xx", "b": "1", "c": ""}] * 2 + [{"a": "y", "b": "", "c": ""}]


def test_full_rows_follow_short_ones(tmp_path: Path) -> None:
    """A run goes on in a file of the short form, and finds what it holds."""
    path = tmp_path / "rows.csv"
    write_short(path, ("a", "b"), [{"a": "xx", "b": "1"}, {"a": "xx", "b": "2"}])
    append_row(path, ("a", "b"), {"a": "xx", "b": "3"})
    assert rows_done(path, ("a", "b")) == {("xx", "1"), ("xx", "2"), ("xx", "3")}


def test_parts_count_as_done(tmp_path: Path) -> None:
    """What ``tidy`` moved into parts is not measured again; parts of another command are none of them."""
    write(tmp_path / "d_m_c_run_sky.csv", COLUMNS, [size_row("one")])
    write(tmp_path / "d_m_c_rd.csv", COLUMNS, [size_row("two")])
    assert rows_done(tmp_path / "d_m_c_run.csv", ("codec",)) == {("one",)}


def test_a_torn_row_is_named(tmp_path: Path) -> None:
    """A row that was cut off is no row with empty cells."""
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"rows\.csv, line 3: expected 2 cells"):
        read_rows(tmp_path / "rows.csv")


def test_tidy_keeps_the_newest_rows(tmp_path: Path) -> None:
    """Of two rows for one thing the older goes, and a file without rows too; the report shows the same as before."""
    old, new = "2026-01-02_m_aaaaaaa.csv", "2026-01-03_m_bbbbbbb_run.csv"
    write(tmp_path / old, COLUMNS, [size_row("both", bits="2.00000"), size_row("old")])
    write(tmp_path / "2026-01-01_m_ccccccc.csv", COLUMNS, [size_row("both", bits="3.00000")])
    write(tmp_path / new, COLUMNS, [size_row("both"), size_row("new")])
    before = [row | {"source": ""} for row in Results(tmp_path).rows("run")]
    lines = tidy(tmp_path)
    assert [row | {"source": ""} for row in Results(tmp_path).rows("run")] == before
    names = ["2026-01-02_m_aaaaaaa_run.csv", new]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert [row["codec"] for row in read_rows(tmp_path / names[0])] == ["old"]
    assert any(line.startswith("2026-01-01_m_ccccccc.csv: 0 rows kept") for line in lines)
    assert tidy(tmp_path) == []


def test_tidy_splits_large_files(tmp_path: Path) -> None:
    """By set, and a large set into numbered files; each holds full rows first and stays under the limit."""
    rows = [
        size_row(f"codec-{n}", chosen, f"{chosen}/{n:040}.fits", f"{n:0120}")
        for chosen, count in (("first/test", 12_000), ("cubes/a.fits", 3), ("cubes/b.fits", 2))
        for n in range(count)
    ]
    write(tmp_path / "2026-01-02_m_aaaaaaa.csv", COLUMNS, rows)
    tidy(tmp_path)
    found = {path.name: read_rows(path) for path in tmp_path.iterdir()}
    assert all(path.stat().st_size <= MAX_BYTES for path in tmp_path.iterdir())
    assert len(found["2026-01-02_m_aaaaaaa_run_cubes.csv"]) == 5
    assert {ResultFile.of(Path(name)).command for name in found} == {"run"}
    assert len([name for name in found if "_run_first-test-" in name]) > 1
    read = {(row["file"], row["codec"], row["bits_per_pixel"]) for some in found.values() for row in some}
    assert read == {(row["file"], row["codec"], row["bits_per_pixel"]) for row in rows}


def test_parts_have_plain_names() -> None:
    """Names of parts hold letters, digits and hyphens; cubes are one part."""
    names = {"first/test": "first-test", "cubes/a b.fits": "cubes", "": "none", "simulated-smooth": "simulated-smooth"}
    assert {chosen: part_name(chosen) for chosen in names} == names


def test_a_result_replaces_that_there_was_none(tmp_path: Path) -> None:
    """A row that says why a codec had no result goes once a later run had one."""
    common = {"set": "sky", "codec": "c", "comparison": "size", "level": "1", "data_sha256": "h"}
    none = common | {"status": "none: not so small"}
    write(tmp_path / "2026-01-02_m_aaaaaaa_science.csv", SCIENCE_COLUMNS, [none])
    write(tmp_path / "2026-01-03_m_bbbbbbb_science.csv", SCIENCE_COLUMNS, [common | {"status": "ok", "metric": "gain"}])
    tidy(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["2026-01-03_m_bbbbbbb_science.csv"]


def test_the_folder_is_small_and_tidy() -> None:
    """The committed files are under 6 MB in all and 1 MB each, of known kinds, and hold the newest rows alone."""
    files = Results(RESULTS).files
    assert sum(file.path.stat().st_size for file in files) < 6_000_000
    assert max(file.path.stat().st_size for file in files) <= MAX_BYTES
    assert {file.command for file in files} <= set(KINDS)
    for file in files:
        assert columns_of(file.path) == KINDS[file.command].columns, file.path.name
    for line in tidy(RESULTS, dry=True):
        kept, of = (int(word) for word in line.split(": ")[1].split()[0:3:2])
        assert kept == of, line


def test_columns_tell_the_command() -> None:
    """No two commands have the same columns."""
    assert {command_of(kind.columns) for kind in KINDS.values()} == set(KINDS)
    assert command_of(("a", "b")) == ""


def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run ``report`` and return what it prints."""
    monkeypatch.setattr("sys.argv", ["benchmarks", "report", *words])
    command_line.main()
    return capsys.readouterr().out


def test_report_of_own_rows_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of any name is recognised by its columns; only its rows are shown, and nothing that has none."""
    path = write(tmp_path / "mine.csv", COLUMNS, [size_row("mine", "telescopes", "telescopes/a.fits", "7.25000")])
    text = shown(monkeypatch, capsys, "--only", str(path))
    assert "| mine | 7.250 |" in text
    assert f"From `{path}`." in text
    assert "**-**" not in text
    assert "radcodec |" not in text
    assert "No rows yet" not in text


def test_report_of_own_studies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands that have no section of their own are shown as on their page."""
    row = {"set": "sky", "file": "sky/a.fits", "bound": "sigma/2", "way": "taps", "model": "lapped-v1", "rate": "0.5"}
    row |= {"machine": "m", "commit": "c", "plain_bits_per_pixel": "2.0", "bits_per_pixel": "1.5", "hdu": "0"}
    path = write(tmp_path / "mine.csv", KINDS["base"].columns, [row])
    text = shown(monkeypatch, capsys, "--only", str(path))
    assert "| sigma/2 | sky | taps | 2.000 |" in text
    assert "-25.0 %" in text


def test_report_of_own_base_speeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Speeds of the lossy mode have a table with the spread of the repeats."""
    row = {"codec": "radcodec", "variant": "a-model", "knob": "stages", "quality": "4", "threads": "1", "shape": "8x8"}
    row |= {"bits_per_pixel": "0.5", "repeats": "3", "pixels": "64", "commit": "c"}
    row |= {f"{way}_mpix_s{end}": value for way in ("encode", "decode") for end, value in SPREAD.items()}
    path = write(tmp_path / "mine.csv", KINDS["base-speed"].columns, [row])
    text = shown(monkeypatch, capsys, "--only", str(path))
    speed = "4.00 (3.00 to 5.00)"
    assert f"| 8x8 | radcodec, a-model | stages 4 | 1 | 0.500 | - | {speed} | {speed} | - | - |" in text


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        (None, (), r"mine\.csv: expected a results file"),
        ("a,b\n1,2\n", (), "expected the columns of a benchmark's rows"),
        (",".join(COLUMNS) + "\n", (), "expected rows for tables"),
        (",".join(COLUMNS) + "\n", ("--write",), "expected --only alone"),
    ],
)
def test_report_refuses_what_it_cannot_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    content: str | None, words: tuple[str, ...], message: str,
) -> None:  # fmt: skip
    """A missing file, one of other columns, one without rows, and pages of a part of the rows are errors."""
    if content is not None:
        (tmp_path / "mine.csv").write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit, match=message):
        shown(monkeypatch, capsys, "--only", str(tmp_path / "mine.csv"), *words)


NAMED = re.compile(r"`(?:benchmarks/results/)?((?:\d{4}-\d\d-\d\d|\.\.\.)_[\w.*-]+\.csv)`")


@pytest.mark.parametrize(
    "page", sorted(path.relative_to(ROOT).as_posix() for folder in PAGES for path in ROOT.glob(folder))
)
def test_pages_name_files_that_exist(page: str) -> None:
    """A result file that a page names is in the folder, or the line says that it is in the history."""
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        for name in NAMED.findall(line):
            assert "history" in line or list(RESULTS.glob(name.replace("...", "*", 1))), f"{page} names {name}"
