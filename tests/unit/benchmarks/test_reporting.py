"""Tables, charts and the page from rows made by hand; documents that are current; the page in a headless browser."""

from __future__ import annotations

import base64
import csv
import re
import shutil
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from headless import Browser, find_browser

from benchmarks.reporting import documents, maps
from benchmarks.reporting.charts import Axis, Series, chart
from benchmarks.reporting.kinds import KINDS
from benchmarks.reporting.page import map_section, page
from benchmarks.reporting.pages.readme import lossy_table, readme
from benchmarks.reporting.results import ResultFile, Results
from benchmarks.reporting.section import default_model
from benchmarks.reporting.sections import sections
from benchmarks.reporting.sizes import beaten_table, files_table, size_table, sizes
from benchmarks.reporting.tables import Table, least
from benchmarks.run import defaults
from benchmarks.run import distortion as rd
from benchmarks.run import tracks as run
from benchmarks.science.run import SCIENCE_COLUMNS, STACK_COLUMNS
from benchmarks.speed import simulated as speed

ROOT = Path(__file__).resolve().parents[3]
Cells = dict[str, str]
OLD, NEW = "2026-01-02_some-machine_aaaaaaa.csv", "2026-01-03_some-machine_bbbbbbb.csv"


def write(path: Path, columns: Sequence[str], rows: Sequence[Cells]) -> None:
    """A CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def size_row(codec: str, file: str, bits: float, track: str = "lossless", bound: str = "", **more: str) -> Cells:
    """A row of ``run``."""
    given = {
        "machine": "m",
        "set": file.rpartition("/")[0],
        "hdu": "0",
        "status": "ok",
        "encode_s": "1",
        "decode_s": "1",
    }
    return given | {
        "codec": codec, "file": file, "bits_per_pixel": str(bits), "track": track, "bound": bound, "commit": "c"
    } | more  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of sizes; the newer has a better row, a missing codec and a failed row; other commands."""
    one, two, sky = "first/test/a.fits", "first/test/b.fits", "telescopes/sky.fits"
    old = [
        size_row("radcodec", one, 9.0), size_row("radcodec", two, 4.0), size_row("other", one, 3.0),
        size_row("other", two, 5.0), size_row("part", one, 1.0), size_row("radcodec", sky, 7.0),
        size_row("other", sky, 6.0), size_row("absent", "", 0, status="missing: no such module"),
        size_row("other", "", 0, status="missing: not then"),
    ]  # fmt: skip
    new = [size_row("radcodec", one, 2.0), size_row("broken", one, 1.0, status="demand not met")]
    for bound, bits in (("sigma/8", 2.0), ("sigma/4", 1.5), ("sigma/2", 1.0)):
        # Another setting of radcodec is no rival.
        for codec, factor in (("radcodec", 1.0), ("other", 1.6), ("radcodec-dither", 1.1)):
            new += [size_row(codec, file, factor * bits, "bounded", bound) for file in (one, two, sky)]
    write(tmp_path / OLD, run.COLUMNS, old)
    write(tmp_path / NEW, run.COLUMNS, new)
    curve = [
        {
            "machine": "m", "set": "first/test", "file": one, "hdu": "0", "codec": codec, "variant": variant,
            "status": "ok", "quality": f"{bits}", "bits_per_pixel": f"{bits}", "rmse_companded": f"{factor / bits}",
            "rmse_faint": f"{factor / bits}", "commit": "c",
        }
        for codec, variant, factor in (("radcodec", default_model(), 0.1), ("jpeg2000", "plain", 0.2))
        for bits in (0.05, 0.2, 0.8, 3.2)
    ]  # fmt: skip
    write(tmp_path / "2026-01-03_some-machine_bbbbbbb_rd.csv", rd.COLUMNS, curve)
    timed = [
        {
            "machine": "m", "commit": "c", "track": "bounded", "file": f"s{side}", "codec": codec, "threads": "1",
            "verify": "False", "status": "ok", "pixels": str(side**2), "bits_per_pixel": "2", "repeats": "5",
            "encode_mpix_s": "4", "decode_mpix_s": "8", "encode_mpix_s_least": "3", "encode_mpix_s_most": "5",
            "decode_mpix_s_least": "7", "decode_mpix_s_most": "9",
        }
        for codec in ("radcodec", "jpeg2000")
        for side in (256, 4096)
    ]  # fmt: skip
    write(tmp_path / "2026-01-03_some-machine_bbbbbbb_speed.csv", speed.COLUMNS, timed)
    stacked = [
        {
            "machine": "m", "commit": "c", "set": "simulated", "codec": codec, "comparison": "bound", "level": "2",
            "status": "ok", "bits_per_pixel": "1.5", "amplitude": flux, "n": n, "change": change,
            "change_error": "0.01",
        }
        for codec, change in (("radcodec", "0.002"), ("other", "-0.2"))
        for flux in ("0.1", "1")
        for n in ("64", "4096")
    ]  # fmt: skip
    write(tmp_path / "2026-01-03_some-machine_bbbbbbb_stack.csv", STACK_COLUMNS, stacked)
    checked = [
        {
            "machine": "m", "commit": "c", "set": "simulated", "codec": codec, "comparison": "size", "level": "0.25",
            "status": "ok", "metric": "completeness", "bin": "5 to 10", "n": "9", "value": value,
        }
        for codec, value in (("radcodec", "0.98764"), ("other", "0.5"))
    ]  # fmt: skip
    write(tmp_path / "2026-01-03_some-machine_bbbbbbb_science.csv", SCIENCE_COLUMNS, checked)
    tool = {
        "machine": "m", "commit": "c", "set": "first/test", "file": one, "codec": "fpack", "status": "ok",
        "bits_per_pixel": "7", "max_error_sigma": "0.05", "rmse_sigma": "0.02", "rms_ratio": "1.001",
    }  # fmt: skip
    write(tmp_path / "2026-01-03_some-machine_bbbbbbb_defaults.csv", defaults.COLUMNS, [tool])
    return tmp_path


def test_newest_row_counts(folder: Path) -> None:
    """Of two rows for one thing that of the later file is taken, the others stay; each knows its file."""
    found = sizes(Results(folder), "lossless", "", ("first/",))
    assert found.bits()["radcodec"] == {"first/test": 3.0}
    assert found.source("radcodec", "first/test") == [OLD, NEW]
    assert found.source("other", "first/test") == [OLD]


def test_later_hour_counts_on_one_day(tmp_path: Path) -> None:
    """Of files of one day the one whose name has the later time counts; a name without a time is the oldest."""
    for time, bits in (("2026-01-02T0959", 2.0), ("2026-01-02T1000", 1.0), ("2026-01-02", 3.0)):
        write(tmp_path / f"{time}_m_aaaaaaa.csv", run.COLUMNS, [size_row("radcodec", "first/test/a.fits", bits)])
    assert [row["bits_per_pixel"] for row in Results(tmp_path).rows("run")] == ["1.0"]


def test_committed_rows_are_unique() -> None:
    """No row of benchmarks/results replaces another, so the pages do not depend on the names of the files."""
    results = Results(documents.RESULTS)
    for command in KINDS:
        rows = [row for file in results.files if file.command == command for row in file.rows()]
        assert len(results.newest(command)) == len(rows), command


def test_rows_of_other_images_do_not_count(tmp_path: Path) -> None:
    """A set that was measured with fewer images once is compared with none of the older rows."""
    made = {
        "machine": "m",
        "commit": "c",
        "comparison": "size",
        "level": "1",
        "status": "ok",
        "metric": "gain",
        "n": "1",
    }
    old = [made | {"set": one, "codec": "a", "data_sha256": "six", "value": "1"} for one in ("sky", "other")]
    new = [made | {"set": "sky", "codec": "b", "data_sha256": "five", "value": "1"}]
    write(tmp_path / "2026-01-03_some-machine_aaaaaaa_science.csv", SCIENCE_COLUMNS, old)
    write(tmp_path / "2026-01-04_some-machine_bbbbbbb_science.csv", SCIENCE_COLUMNS, new)
    assert [(row["set"], row["codec"]) for row in Results(tmp_path).rows("science")] == [("other", "a"), ("sky", "b")]


def test_names_of_files() -> None:
    """The command stands behind the commit; files of other names belong to none."""
    commands = {
        "2026-01-02_a-b_1c76e98.csv": "run",
        "2026-01-02_a-b_nocommit.csv": "run",
        "2026-01-02_a-b_6aaf452b29ed-dirty_floor.csv": "floor",
        "2026-01-02_a-b_1c76e98_rd_telescopes.csv": "rd",
        "rows.csv": "",
    }
    assert {name: ResultFile.of(Path(name)).command for name in commands} == commands


def test_missing_codecs(folder: Path) -> None:
    """A codec that was never there is named with its reason; one that has rows is not."""
    assert Results(folder).missing("run") == {"absent": "no such module"}
    text = documents.full_report(Results(folder))
    assert "Not installed when this was measured: absent." in text


def test_size_table(folder: Path) -> None:
    """Means where every image has a row, a dash elsewhere, the smallest of a column marked, failures named."""
    table = size_table(Results(folder), "lossless", "", "T", ("first/", "telescopes"))
    assert table is not None
    lines = table.markdown()
    assert lines[2] == "| bits a pixel | first/test, mean of 2 | sky |"
    assert "| radcodec | **3.000** | 7.000 |" in lines
    assert "| other | 4.000 | **6.000** |" in lines
    assert not any(line.startswith("| part") for line in lines)
    assert any("broken on first/test/a.fits" in line for line in lines)


def test_where_others_are_smaller(folder: Path) -> None:
    """Image by image, of rows whose demand was met; other settings of radcodec are no rivals."""
    table = beaten_table(Results(folder))
    assert table is not None
    assert [list(row) for row in table.rows] == [
        ["lossless", "first/test", "1 of 2", "2.000", "part", "part"],
        ["lossless", "sky", "1 of 1", "1.167", "other", "other"],
    ]


def test_whole_files(tmp_path: Path) -> None:
    """Means over a set's files, a dash where one is missing; files are no row of another track."""
    one, two, sky = "first/test/a.fits", "first/test/b.fits", "telescopes/sky.fits"
    rows = [
        size_row(codec, file, bits, "files", bound, hdu="", payload_bits_per_pixel=str(bits - 0.5))
        for file, bits in ((one, 4.0), (two, 5.0), (sky, 6.0))
        for codec, bound in (("radcodec", ""), ("gzip", ""), ("radcodec", "sigma/8"))
        if (file, bound) != (two, "sigma/8")
    ]
    write(tmp_path / NEW, run.COLUMNS, [*rows, size_row("radcodec", one, 9.0)])
    table = files_table(Results(tmp_path))
    assert table is not None
    assert [list(row) for row in table.rows] == [
        ["first/test, mean of 2", "4.500", "4.500", "4.000", "-", "-"],
        ["sky", "6.000", "6.000", "5.500", "6.000", "5.500"],
    ]


def test_stacks_and_science(folder: Path) -> None:
    """A line a codec for stacks of all sources, a line a measure for science, with the numbers of the rows."""
    found = {section.name: section for section in sections(Results(folder))}
    (table,) = found["stacks"].tables
    assert table.title == "Stacks of 4096 sources, simulated, E = sigma/2"
    assert list(table.rows[0]) == ["radcodec", "1.500", "0.0020 ± 0.0100", "0.0020 ± 0.0100"]
    assert found["stacks"].figures[0].count("<circle") == 4
    (table,) = found["science"].tables
    assert [list(row) for row in table.rows] == [["completeness 5 to 10", "0.9876", "0.5"]]


def test_readme_by_hand(folder: Path) -> None:
    """radcodec and the best other, the smaller in bold, each with the letters of its files."""
    text = readme(Results(folder))
    assert "| first/test, mean of 2 | **3.00<sup>a,b</sup>** | 4.00 other<sup>a</sup> | **2.00<sup>b</sup>** |" in text
    assert "| **2.00<sup>b</sup>** | 3.20 other<sup>b</sup> |" in text
    assert "| sky | 7.00<sup>a</sup> | **6.00 other<sup>a</sup>** |" in text
    assert f"a `benchmarks/results/{OLD}`, b `benchmarks/results/{NEW}`" in text


def test_lossy_table_by_hand(folder: Path) -> None:
    """The rival's bits lie on a line in the logarithm of its rate, between the points around the error.

    At 0.5 bit the error is 0.5 - 0.661 * 0.375 = 0.2522, which the rival has at 0.2 * 4^0.9971 = 0.7967 bit. At 1 bit
    it is 0.125 - 0.161 * 0.09375 = 0.1099, which the rival has at 0.8 * 4^0.7472 = 2.2539 bits.
    """
    table = lossy_table(Results(folder), default_model())
    assert table is not None
    assert list(table.header) == ["radcodec", "RMSE, companded", "jpeg2000"]
    found = {line[0]: float(line[2].partition("<")[0]) for line in table.rows}
    assert found["0.5"] == pytest.approx(0.7967, abs=0.002)
    assert found["1"] == pytest.approx(2.2539, abs=0.004)


def test_table_as_html() -> None:
    """Text is escaped, the best is strong, the box can be reached by keyboard and has a name."""
    text = Table(
        title="a < b", header=["x", "y"], rows=[["<b>", "1"], ["c", "2"]], best=least([["<b>", "1"], ["c", "2"]])
    )
    tree = ET.fromstring(f"<div>{text.html()}</div>")
    assert [(box.attrib["aria-label"], box.attrib["tabindex"]) for box in tree.iter("div") if box.attrib] == [
        ("a < b", "0")
    ]
    assert [cell.text for cell in tree.iter("strong")] == ["1"]
    assert [cell.text for cell in tree.iter("th")][2] == "<b>"


def test_chart_places_points() -> None:
    """Points of a logarithmic axis are evenly spaced by factors; tooltips tell the values; no point, no chart."""
    given = [Series(name="a&b", points=[(1, 0), (10, 1), (100, 2)])]
    text = chart("T", given, Axis(title="x", logarithmic=True), Axis(title="y"))
    xs = [float(value) for value in re.findall(r'cx="([\d.]+)"', text)]
    ys = [float(value) for value in re.findall(r'cy="([\d.]+)"', text)]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.11)
    assert ys[0] > ys[1] > ys[2]
    assert "<title>a&amp;b: x 10, y 1</title>" in text
    ET.fromstring(text)
    assert chart("T", [Series(name="a", points=[])], Axis(title="x"), Axis(title="y")) == ""


def test_chart_leaves_out_texts_that_would_overlap() -> None:
    """Each tick has its line; one too near to the text before has no text."""
    x = Axis(title="x", ticks=(0, 0.1, 0.3, 1, 3))
    text = chart("T", [Series(name="a", points=[(0, 0), (3, 1)])], x, Axis(title="y", ticks=(0, 1)))
    drawn = [one.text for one in ET.fromstring(text).iter() if one.get("text-anchor") == "middle"]
    assert drawn == ["0", "0.3", "1", "3", "x", "y"]
    assert text.count('class="grid"') == 5 + 2


def test_documents_are_current() -> None:
    """README, the pages in docs, their tables and pictures are what the committed rows give."""
    assert documents.stale() == [], "python -m benchmarks report --write --html"


def test_check_sees_a_changed_number(tmp_path: Path) -> None:
    """A digit of a filled document that is changed by hand makes it stale; filling mends it."""
    for name in (*documents.DOCUMENTS, *documents.WHOLE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    rows = tmp_path / "rows"
    shutil.copytree(documents.RESULTS, rows)
    documents.fill_documents(tmp_path, rows)
    assert documents.stale(tmp_path, rows, with_page=False) == []
    inside = documents.block_of(tmp_path / "README.md")
    changed = re.sub(r"\d\.\d\d", lambda found: f"9{found[0]}", inside, count=1)
    assert changed != inside
    documents.fill_page(tmp_path / "README.md", changed)
    assert documents.stale(tmp_path, rows, with_page=False) == ["README.md"]
    assert documents.fill_documents(tmp_path, rows) == ["README.md"]
    assert documents.block_of(tmp_path / "README.md") == inside
    table = tmp_path / "docs/tables/sizes.md"
    table.write_text(table.read_text(encoding="utf-8").replace("20.2", "21.2", 1), encoding="utf-8")
    (tmp_path / "docs/figures/sizes.svg").unlink()
    wrong = ["docs/tables/sizes.md", "docs/figures/sizes.svg"]
    assert documents.stale(tmp_path, rows, with_page=False) == wrong
    assert documents.fill_documents(tmp_path, rows) == wrong
    assert documents.stale(tmp_path, rows, with_page=False) == []


def test_bisection_finds_the_size() -> None:
    """Of streams of 1000 / knob bytes the largest of at most 50 bytes is found, to a percent."""
    coded = maps.at_bits(lambda knob: b"x" * int(1000 / knob), 50, 1.0, 1000.0)
    assert len(coded) == 50


def test_picture_shows_first_row_at_the_bottom() -> None:
    """Black at the low end, white at the high end; astronomers' images start at the bottom."""
    text = maps.picture(np.array([[0.0, 1.0], [0.5, 2.0]]), 0.0, 1.0, "alt")
    found = re.search(r'src="data:image/png;base64,([^"]+)"', text)
    assert found
    png = base64.b64decode(found[1])
    start = png.index(b"IDAT")
    length = int.from_bytes(png[start - 4 : start], "big")
    rows = np.frombuffer(zlib.decompress(png[start + 4 : start + 4 + length]), np.uint8).reshape(2, 3)
    assert rows[:, 0].tolist() == [2, 2]  # each row less the one above (PNG specification, 9.2)
    assert np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8).tolist() == [[128, 255], [0, 255]]


class Parts(HTMLParser):
    """Ids, and whatever would be fetched or run."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        address = given.get("src") or (given.get("href") if tag == "link" else None) or ""
        if tag in ("script", "iframe") or (address and not address.startswith("data:")):
            self.foreign.append(f"{tag} {address}")


@pytest.fixture
def made_page(folder: Path) -> Path:
    """A page of the rows made by hand, with one block of pictures."""
    pixels = maps.picture(np.eye(8), 0.0, 1.0, "eye")
    block = f"<h3>{'long' * 20}</h3><div class='maps'>{maps.cell(pixels, 'original', '32 bits a pixel') * 6}</div>"
    path = folder / "page.html"
    results = Results(folder)
    path.write_text(page(results, sections(results), map_section([block], "note")), encoding="utf-8")
    return path


def test_page_needs_nothing_else(made_page: Path) -> None:
    """Every section is there, those without rows say what makes them, nothing is fetched and no script runs."""
    text = made_page.read_text(encoding="utf-8")
    parts = Parts()
    parts.feed(text)
    wanted = {"summary", "tracks", "telescopes", "rd", "science", "stacks", "defaults", "speed", "maps", "files"}
    assert wanted <= set(parts.ids)
    assert parts.foreign == []
    assert "Missing: no rows yet. <code>python -m benchmarks cold" not in text
    assert "Missing: no rows yet. <code>python -m benchmarks floor</code>" in text
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(parts.ids)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser."""
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium or Chrome is installed")
    try:
        opened = Browser(program)
    except (RuntimeError, OSError) as err:
        pytest.skip(f"{program} does not start: {err}")
    with opened:
        yield opened


@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (1280, False)])
def test_page_in_a_browser(browser: Browser, made_page: Path, width: int, dark: bool) -> None:
    """No complaint, no request but the page, no sideways scrolling, text of 16 pixels that stands out, charts drawn."""
    browser.open(made_page, width=width, dark=dark)
    assert browser.errors() == []
    assert browser.requests() == [made_page.as_uri()]
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value("parseFloat(getComputedStyle(document.querySelector('p')).fontSize)") >= 16
    colours = browser.value("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    text, back = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
    assert (text > back) == dark
    assert abs(text - back) > 500
    assert browser.value("document.querySelectorAll('section').length") >= 12
    assert browser.value("Math.min(...[...document.querySelectorAll('svg.chart')].map(c => c.clientHeight))") > 150
    boxes = "[...document.querySelectorAll('.table')].every(box => box.getBoundingClientRect().right <= innerWidth)"
    assert browser.value(boxes)


def test_committed_page_in_a_browser(browser: Browser) -> None:
    """The page in docs loads like that too."""
    browser.open(documents.HTML, width=390)
    assert browser.errors() == []
    assert len(browser.requests()) == 1
    assert browser.value("document.querySelectorAll('section').length") >= 12
    assert browser.value("document.documentElement.scrollWidth") <= 390
