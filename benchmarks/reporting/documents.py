"""The pages that are filled from rows: which they are, what fills them, and whether they are current.

Three kinds: parts of hand-written pages between markers, whole pages of tables below ``docs/tables``, and pictures.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.paths import HTML, RESULTS, ROOT
from benchmarks.reporting.page import fingerprint, map_section, maps_of, page
from benchmarks.reporting.pages.bounds import bounds_block
from benchmarks.reporting.pages.codes import (
    CODES,
    clean_report,
    code_table,
    codes_summary,
    effort_report,
    kernels_report,
    previews_report,
)
from benchmarks.reporting.pages.comparison import comparison, comparison_summary
from benchmarks.reporting.pages.detail import detail_summary, detail_table
from benchmarks.reporting.pages.memory import memory_report
from benchmarks.reporting.pages.overview import overview
from benchmarks.reporting.pages.pictures import PICTURES
from benchmarks.reporting.pages.readme import readme
from benchmarks.reporting.pages.science import science_report
from benchmarks.reporting.pages.science_summary import science_summary
from benchmarks.reporting.pages.sigma import sigma_block
from benchmarks.reporting.pages.streams import stream_report
from benchmarks.reporting.pages.tables import TABLE_PAGES
from benchmarks.reporting.results import Results
from benchmarks.reporting.section import measured_model
from benchmarks.reporting.sections import sections
from benchmarks.reporting.tables import REPOSITORY_FOLDER

BEGIN, END = "<!-- results -->", "<!-- /results -->"
BLOCK = re.compile(rf"{re.escape(BEGIN)}\n(?P<text>.*?){re.escape(END)}", re.DOTALL)
Maker = Callable[[Results], str]


def full_report(results: Results) -> str:
    """Return the Markdown of all sections."""
    lines = [line for section in sections(results) for line in section.markdown()]
    return "\n".join(lines).rstrip() + "\n"


def own_report(results: Results) -> str:
    """Return the Markdown of all tables that have rows, those of the sections and those of single pages.

    Raises SystemExit if no table can be made of the rows.
    """
    lines = [line for section in sections(results) if not section.empty for line in section.markdown()]
    for command, make in ELSEWHERE.items():
        if results.rows(command):
            lines += make(results)
    if not lines:
        names = ", ".join(f"{file.path.name} ({file.command})" for file in results.files)
        raise SystemExit(f"report: expected rows for tables, found none in {names}")
    text = "\n".join(lines).rstrip() + "\n"
    for file in results.files:  # tables name files as those of the repository
        text = text.replace(f"{REPOSITORY_FOLDER}/{file.path.name}", str(file.path))
    return text


#: Page, and what stands between its markers.
DOCUMENTS: dict[str, Maker] = {
    "README.md": lambda results: readme(results),
    "docs/quickstart.md": bounds_block,
    "docs/guarantee.md": sigma_block,
    "docs/benchmarks.md": lambda results: overview(results, measured_model(results)),
    "docs/detail.md": detail_summary,
    "docs/science.md": science_summary,
    "docs/codes.md": codes_summary,
    "docs/models.md": clean_report,
    "docs/comparison.md": lambda results: comparison_summary(results, measured_model(results)),
    "docs/previews.md": previews_report,
    "docs/effort.md": effort_report,
    "docs/native.md": kernels_report,
    "docs/scale.md": memory_report,
    "docs/streaming.md": stream_report,
}
#: Files that are written whole: pages of tables, and pictures.
WHOLE: dict[str, Maker] = {
    **{f"docs/tables/{name}.md": make for name, make in TABLE_PAGES.items()},
    **{f"docs/figures/{name}.svg": make for name, make in PICTURES.items()},
}
#: Commands whose rows no section shows, or not all of them, and what shows them.
ELSEWHERE: dict[str, Callable[[Results], list[str]]] = {
    "base": lambda results: detail_table(results, "base"),
    "science": lambda results: science_report(results).splitlines(),
    "stack": lambda results: [] if results.rows("science") else science_report(results).splitlines(),
    **{name: partial(code_table, command=name) for name in CODES},
    "previews": lambda results: previews_report(results).splitlines(),
    "effort": lambda results: effort_report(results).splitlines(),
    "estimate": lambda results: effort_report(results).splitlines(),
    "kernels": lambda results: kernels_report(results).splitlines(),
    "clean": lambda results: clean_report(results).splitlines(),
    "memory": lambda results: memory_report(results).splitlines(),
    "stream": lambda results: stream_report(results).splitlines(),
    "lossless-neural": lambda results: comparison(results).splitlines(),
}


def block_of(document: Path) -> str:
    """Return what stands between the markers of a page.

    Raises SystemExit for a page without them.
    """
    found = BLOCK.search(document.read_text(encoding="utf-8"))
    if found is None:
        raise SystemExit(f"{document}: expected the markers {BEGIN} and {END}")
    return found["text"]


def fill_page(document: Path, text: str) -> None:
    """Put ``text`` between the markers of a page."""
    block_of(document)
    content = document.read_text(encoding="utf-8")
    document.write_text(BLOCK.sub(lambda _: f"{BEGIN}\n{text}{END}", content, count=1), encoding="utf-8")


def fill_documents(root: Path = ROOT, folder: Path = RESULTS) -> list[str]:
    """Fill all pages and write the files that are written whole; return the names of those that changed."""
    results, changed = Results(folder), stale(root, folder, with_page=False)
    for name in changed:
        if name in DOCUMENTS:
            fill_page(root / name, DOCUMENTS[name](results))
        else:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(WHOLE[name](results), encoding="utf-8")
    return changed


def stale(root: Path = ROOT, folder: Path = RESULTS, *, with_page: bool = True) -> list[str]:
    """Return the names of the pages that are not what the rows give.

    The HTML page counts as current if it says that it was made from these very files.
    """
    results = Results(folder)
    found = [name for name, make in DOCUMENTS.items() if block_of(root / name) != make(results)]
    for name, make in WHOLE.items():
        path = root / name
        if not path.exists() or path.read_text(encoding="utf-8") != make(results):
            found.append(name)
    html = HTML.relative_to(ROOT).as_posix()
    if with_page and f'content="{fingerprint(results)}"' not in (root / html).read_text(encoding="utf-8"):
        found.append(html)
    return found


def write_page(out: Path, data: Path, commit: str, folder: Path = RESULTS) -> int:
    """Write the HTML page to ``out`` and return its size in bytes.

    Error maps are drawn of the images below ``data``. Where they or imagecodecs are missing, the page in docs keeps the
    maps that it has, with the commit that drew them.
    """
    from benchmarks.reporting.maps import can_draw, map_rows

    results = Results(folder)
    if can_draw(data) or not HTML.exists():
        maps = map_section(map_rows(data), f"Made with radcodec at commit {commit}.")
    else:
        maps = maps_of(HTML.read_text(encoding="utf-8"))
    text = page(results, sections(results), maps)
    out.write_text(text, encoding="utf-8")
    return len(text.encode())
