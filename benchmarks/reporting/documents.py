"""Documents that are filled from rows: which, with what, and whether they are current."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.detail_report import detail_report
from benchmarks.model_report import codes_report, previews_report
from benchmarks.neural.page import comparison
from benchmarks.reporting.page import fingerprint, page
from benchmarks.reporting.readme import readme
from benchmarks.reporting.results import Results
from benchmarks.reporting.sections import default_model, sections
from benchmarks.science.page import science_report

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- results -->", "<!-- /results -->"
HTML = "docs/benchmarks.html"


def full_report(results: Results) -> str:
    """Markdown of all sections."""
    lines = [line for section in sections(results) for line in section.markdown()]
    return "\n".join(lines).rstrip() + "\n"


#: Document, and what stands between its markers.
DOCUMENTS: dict[str, Callable[[Results], str]] = {
    "README.md": lambda results: readme(results, default_model()),
    "docs/benchmarks.md": full_report,
    "docs/detail.md": detail_report,
    "docs/science.md": science_report,
    "docs/codes.md": codes_report,
    "docs/comparison.md": comparison,
    "docs/previews.md": previews_report,
}


def parts_of(document: Path) -> tuple[str, str, str]:
    """What stands before, between and behind the markers of a document."""
    content = document.read_text(encoding="utf-8")
    before, found_begin, rest = content.partition(BEGIN + "\n")
    inside, found_end, after = rest.partition(END)
    if not (found_begin and found_end):
        raise SystemExit(f"{document}: expected the markers {BEGIN} and {END}")
    return before, inside, after


def fill_page(document: Path, text: str) -> None:
    """Put ``text`` between the markers of a document."""
    before, _, after = parts_of(document)
    document.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


def fill_documents(root: Path = ROOT, folder: Path = RESULTS) -> list[str]:
    """Fill all documents; gives the names of those that changed."""
    results, changed = Results(folder), stale(root, folder, with_page=False)
    for name in changed:
        fill_page(root / name, DOCUMENTS[name](results))
    return changed


def stale(root: Path = ROOT, folder: Path = RESULTS, *, with_page: bool = True) -> list[str]:
    """Names of documents that are not what the rows give; the HTML page by the files it says it was made from."""
    results = Results(folder)
    found = [name for name, make in DOCUMENTS.items() if parts_of(root / name)[1] != make(results)]
    if with_page and f'content="{fingerprint(results)}"' not in (root / HTML).read_text(encoding="utf-8"):
        found.append(HTML)
    return found


def write_page(out: Path, data: Path, commit: str, folder: Path = RESULTS) -> int:
    """Number of bytes of the HTML page written to ``out``, with error maps of the images that are below ``data``."""
    from benchmarks.reporting.maps import map_rows

    results = Results(folder)
    note = f"Made with radcodec at commit {commit}."
    text = page(results, sections(results), map_rows(data), note)
    out.write_text(text, encoding="utf-8")
    return len(text.encode())
