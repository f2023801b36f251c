"""Tables and pictures of the pages from rows written by hand, the track of the quick start's bounds, page lengths."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.data.datasets import sigma
from benchmarks.reporting import documents
from benchmarks.reporting.charts import Axis, Plot, Series
from benchmarks.reporting.facts import Facts
from benchmarks.reporting.pages.bounds import bounds_block
from benchmarks.reporting.pages.readme import speed_lines
from benchmarks.reporting.pages.science_summary import science_summary
from benchmarks.reporting.pages.sigma import sigma_block
from benchmarks.reporting.results import Results
from benchmarks.run import bounds, tracks
from benchmarks.science.run import SCIENCE_COLUMNS, STACK_COLUMNS
from benchmarks.speed import cold
from radcodec.simulate import pack_fits, simulate_image

ROOT = Path(__file__).resolve().parents[3]
#: Pages that are references or are written by a program; all others are for people.
REFERENCES = ("format.md", "tables/", "design/")
LONGEST = 300


def write(folder: Path, command: str, columns: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
    """Write a result file of a command."""
    with (folder / f"2026-01-01_m_0123456789ab_{command}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def bounds_row(codec: str, setting: str, bits: str, chosen: str = "first/test", **more: str) -> dict[str, str]:
    """Return a row of ``run --track bounds``."""
    given = {"machine": "m", "commit": "c", "set": chosen, "file": f"{chosen}/a.fits", "status": "ok"}
    return given | {"codec": codec, "setting": setting, "bits_per_pixel": bits} | more


def test_bounds_table_by_hand(tmp_path: Path) -> None:
    """Sizes of both sets, how many times larger the two tools' files are, and the losses of the rows."""
    wanted = "--max-error 0.125sigma"
    rows = [
        bounds_row("radcodec", wanted, "2"), bounds_row("gzip", "", "30"), bounds_row("fpack", "", "7"),
        bounds_row("radcodec", wanted, "1.25", "telescopes"),
    ]  # fmt: skip
    write(tmp_path, "bounds", bounds.COLUMNS, rows)
    noise = {
        "set": "first/test", "codec": "radcodec", "comparison": "bound", "level": "8", "status": "ok",
        "metric": "rms_ratio", "value": "1.0034",
    }  # fmt: skip
    write(tmp_path, "science", SCIENCE_COLUMNS, [noise])
    stack = {
        "set": "simulated", "codec": "radcodec", "comparison": "bound", "level": "8", "status": "ok", "amplitude": "1",
        "n": "4096", "recovered": "0.998", "recovered_error": "0.001", "bits_per_pixel": "1.2",
    }  # fmt: skip
    smooth = stack | {"set": "simulated-smooth", "recovered": "1.009", "recovered_error": "0.0007"}
    write(tmp_path, "stack", STACK_COLUMNS, [stack, smooth])
    text = bounds_block(Results(tmp_path))
    lost = "noise +0.3 %; stacks of 1-sigma sources keep 99.8 % ± 0.1 % (on smooth noise 100.9 % ± 0.1 %)"
    assert f"| stacking, faint sources | `{wanted}` | 2.00 / 1.25 | 15.0 | 3.5 | {lost} |" in text
    assert "`benchmarks/results/2026-01-01_m_0123456789ab_bounds.csv`" in text
    assert "| radcodec | - | 99.8 ± 0.1 (1.20) |" in science_summary(Results(tmp_path))


def test_sigma_table_by_hand(tmp_path: Path) -> None:
    """The ratio of both measures of the noise, and the size of the file with each."""
    row = bounds_row(
        "radcodec",
        "--max-error 0.125sigma",
        "1.614",
        "telescopes",
        sigma_used="0.5",
        sigma_mad="1.0",
        file="t/mwa.fits",
    )
    write(tmp_path, "bounds", bounds.COLUMNS, [row])
    other = {
        "track": "files", "bound": "sigma/8", "set": "telescopes", "file": "t/mwa.fits", "codec": "radcodec",
        "status": "ok", "bits_per_pixel": "0.95",
    }  # fmt: skip
    write(tmp_path, "run", tracks.COLUMNS, [other])
    assert "| mwa | 0.50 | 1.61 | 0.95 |" in sigma_block(Results(tmp_path))


def test_speed_beside_fpack_by_hand(tmp_path: Path) -> None:
    """A line for each image, with the medians of its own rows."""
    given = {"machine": "m", "commit": "c", "status": "ok"}
    rows = [
        given | {"file": file, "shape": shape, "command": command, "median_s": seconds, "repeats": "5"}
        for file, shape, times in (("a", "8x8", ("1.5", "0.25")), ("b", "9x9", ("7", "0.75")))
        for command, seconds in zip(
            ("radcodec compress image.fits exact.rcz", "fpack -O packed.fits.fz image.fits"), times, strict=True
        )
    ]
    write(tmp_path, "cold", cold.COLUMNS, rows)
    lines = speed_lines(Results(tmp_path))
    assert lines[0].startswith("- 8x8 pixels: `compress` takes 1.5 s exact, - s at `0.125sigma`; fpack 0.25 s.")
    assert lines[1].startswith("- 9x9 pixels: `compress` takes 7.0 s exact, - s at `0.125sigma`; fpack 0.75 s.")


def test_no_number_without_a_row(tmp_path: Path) -> None:
    """A page without rows has dashes, or says which command makes them."""
    facts = Facts(Results(tmp_path))
    assert facts.best_other("first/test", "") is None
    assert facts.lead(["first/test"], "sigma/8") is None
    assert "run --track bounds" in sigma_block(Results(tmp_path))
    assert "| archive: every byte comes back | (no option) | - / - | - | - | nothing |" in bounds_block(
        Results(tmp_path)
    )


def test_picture_stands_alone() -> None:
    """An SVG with its own style, a legend entry for each series, and a point for each value."""
    plot = Plot(
        title="T", series=[Series(name="a<b", points=[(1, 2), (3, 4)]), Series(name="c", points=[(1, 1)])],
        x=Axis(title="x"), y=Axis(title="y"),
    )  # fmt: skip
    tree = ET.fromstring(plot.svg())
    space = "{http://www.w3.org/2000/svg}"
    assert {"a<b", "c"} <= {one.text for one in tree.iter(f"{space}text")}
    assert len(list(tree.iter(f"{space}circle"))) == 3
    assert tree.find(f"{space}style") is not None
    assert Plot(title="T", series=[], x=Axis(title="x"), y=Axis(title="y")).svg() == ""


def test_relative_errors_by_hand() -> None:
    """An error of 0.5 where the noise is 1 and of 1 where it is 4: half of the noise, and a quarter."""
    rng = np.random.default_rng(2)
    before = np.concatenate([rng.normal(size=(64, 640)), 4 * rng.normal(size=(64, 640))])
    after = before + np.repeat([0.5, 1.0], 64)[:, None]
    quiet, noisy = bounds.relative_errors(before, after)
    assert quiet == pytest.approx(0.5, rel=0.06)  # the least of ten cells' measured noise, each good to 2 %
    assert noisy == pytest.approx(0.25, rel=0.06)


def test_mosaic_is_noisy_at_its_edge() -> None:
    """Its noise grows by exp(4 ln 2 r^2 / 600^2) with the distance r from the middle: 7.0 at 502; NaN beyond 512."""
    size = 1024 * 1024 * 4
    content = bounds.mosaic()
    image = np.frombuffer(content, ">f4", count=size // 4, offset=len(content) - -(-size // 2880) * 2880)
    image = image.reshape(1024, 1024).astype(np.float64)
    y, x = np.mgrid[:1024, :1024] - 511.5
    radius = np.hypot(y, x)
    edge, middle = sigma(image[(radius > 496) & (radius < 508)]), sigma(image[radius < 64])
    assert edge / middle == pytest.approx(7.0, rel=0.1)
    assert np.array_equal(np.isnan(image), radius > 512)


def test_bounds_of_a_small_file(tmp_path: Path) -> None:
    """Every option has a row whose bound holds; exact rows have no error; a second run adds none."""
    folder = tmp_path / "sky"
    folder.mkdir()
    image = simulate_image((64, 64), seed=3)
    (folder / "a.fits").write_bytes(pack_fits(image))
    out = tmp_path / "out.csv"
    assert bounds.run_bounds(data=tmp_path, sets=["sky"], out=out, commit="c") == len(bounds.OPTIONS) + 2
    assert bounds.run_bounds(data=tmp_path, sets=["sky"], out=out, commit="c") == 0
    with out.open(encoding="utf-8") as file:
        rows = {(row["codec"], row["setting"]): row for row in csv.DictReader(file)}
    assert {row["status"] for key, row in rows.items() if key[0] != "fpack"} == {"ok"}
    for setting in bounds.OPTIONS:
        row = rows["radcodec", setting]
        error = float(row["rmse_mad"])
        if not setting:
            assert error == 0
        else:
            assert float(row["max_error"]) > 0
            assert error * float(row["sigma_mad"]) <= float(row["max_error"])
    assert rows["gzip", ""]["rmse_mad"] == "0"


def test_pages_for_people_are_short() -> None:
    """A page that a person reads from start to end has at most 300 lines."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in pages
        if not path.relative_to(ROOT).as_posix().removeprefix("docs/").startswith(REFERENCES)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_every_generated_page_is_listed() -> None:
    """The folder of tables holds what the report writes, and nothing else."""
    found = {f"docs/tables/{path.name}" for path in (ROOT / "docs" / "tables").iterdir()}
    assert found == {name for name in documents.WHOLE if name.startswith("docs/tables/")}
