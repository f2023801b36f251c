"""The pages of docs/tables: all tables of a subject, written whole from the newest rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.reporting.loss_sections import distortion
from benchmarks.reporting.pages.codes import codes_report
from benchmarks.reporting.pages.comparison import comparison
from benchmarks.reporting.pages.detail import detail_report
from benchmarks.reporting.pages.science import noise_report, sources_report, stacks_report
from benchmarks.reporting.results import Results
from benchmarks.reporting.section import Section
from benchmarks.reporting.size_sections import archives, beaten, integers, summary, telescopes, tracks, whole_files
from benchmarks.reporting.speeds import speeds

Maker = Callable[[Results], str]
WRITTEN = "`python -m benchmarks report --write` writes this page from the newest rows in `benchmarks/results`."
SIGMA = "Here sigma is 1.4826 MAD of the image, unless a table says otherwise: [two measures of the noise]({})."
SIGMA_LINK = "../guarantee.md#two-measures-of-the-noise"


def table_page(title: str, about: str, body: str) -> str:
    """Return a whole page: title, what it holds, who writes it, tables."""
    return f"# {title}\n\n{about} {SIGMA.format(SIGMA_LINK)}\n{WRITTEN}\n\n{body.rstrip()}\n"


def of_sections(title: str, about: str, makers: Sequence[Callable[[Results], Section]]) -> Maker:
    """Return the function that makes a page of some sections."""

    def make(results: Results) -> str:
        lines = [line for maker in makers for line in maker(results).markdown()]
        return table_page(title, about, "\n".join(lines))

    return make


def of_report(title: str, about: str, report: Maker) -> Maker:
    """Return the function that makes a page of tables that are text already."""
    return lambda results: table_page(title, about, report(results))


TABLE_PAGES: dict[str, Maker] = {
    "sizes": of_sections(
        "Sizes", "Lossless, and at equal largest error: [conclusions](../benchmarks.md).", (summary, beaten, tracks)
    ),
    "sizes-by-image": of_sections(
        "Sizes image by image", "The numbers of [sizes](sizes.md), one table an image.", (telescopes,)
    ),
    "lossy": of_sections(
        "Lossy mode", "Bits of other codecs at radcodec's error: [conclusions](../benchmarks.md).", (distortion,)
    ),
    "archive-tools": of_sections(
        "Archive tools, whole files", "Whole FITS files: [conclusions](../benchmarks.md).", (whole_files, archives)
    ),
    "integers": of_sections("Integers", "Integer images, lossless: [conclusions](../benchmarks.md).", (integers,)),
    "speed": of_sections("Speed", "Speed and memory: [conclusions](../benchmarks.md).", (speeds,)),
    "stacks": of_report(
        "Stacks of faint sources", "Conclusions and definitions: [science](../science.md).", stacks_report
    ),
    "sources": of_report("Sources", "Conclusions and definitions: [science](../science.md).", sources_report),
    "noise": of_report(
        "Noise and moment maps", "Conclusions and definitions: [science](../science.md).", noise_report
    ),
    "detail": of_report("The detail layer", "Conclusions: [the detail layer](../detail.md).", detail_report),
    "codes": of_report("Codes", "Conclusions: [what is in the codes](../codes.md).", codes_report),
    "comparison": of_report("Learned codecs", "Conclusions: [learned codecs](../comparison.md).", comparison),
}  # fmt: skip
