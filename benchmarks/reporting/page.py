"""The HTML page: one file without scripts, which loads nothing else."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Sequence
from pathlib import Path

from benchmarks.reporting.results import Results
from benchmarks.reporting.section import Section
from benchmarks.reporting.tables import REPOSITORY_FOLDER, code

STYLE = Path(__file__).with_name("page.css")
MAPS = "maps"


def page(results: Results, sections: Sequence[Section], maps: str) -> str:
    """Return the whole page; ``maps`` is the section that ``map_section`` makes."""
    links = "".join(f'<li><a href="#{one.name}">{html.escape(one.title)}</a></li>' for one in sections)
    links += f'<li><a href="#{MAPS}">Error maps</a></li><li><a href="#files">Result files</a></li>'
    body = "".join(_section(one) for one in sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="rows" content="{fingerprint(results)}">
<link rel="icon" href="data:,">
<title>radcodec: benchmarks</title>
<style>
{STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<header><h1>radcodec beside other codecs</h1>
<p>What each codec needs for float images of radio telescopes, and what it does to them. Every number is from a row in
<code>{REPOSITORY_FOLDER}</code>; how it is measured is in <code>benchmarks/README.md</code>.
<code>python -m benchmarks report --html</code> makes this page.</p>
<nav aria-label="Sections"><ul>{links}</ul></nav></header>
<main>{body}{maps}{_files(results)}</main>
</body>
</html>
"""


def _section(one: Section) -> str:
    parts = [f'<section id="{one.name}"><h2>{html.escape(one.title)}</h2><p>{code(one.text)}</p>']
    if one.empty:
        parts.append(
            f'<p class="missing">Missing: no rows yet. <code>{html.escape(one.command)}</code> makes them.</p>'
        )
    parts += [f"<div class='charts'>{''.join(one.figures)}</div>"] if one.figures else []
    wide = [table.html() for table in one.tables]
    if len(wide) > 4:
        parts += wide[:1]
        parts.append(f"<details><summary>{len(wide) - 1} more tables</summary>{''.join(wide[1:])}</details>")
    else:
        parts += wide
    return "".join(parts) + "</section>"


def map_section(maps: Sequence[str], note: str) -> str:
    """Return the section of error maps; ``note`` says what they were made with."""
    text = (
        "Middle of each image, arcsinh scale; errors are decoded less original, from -sigma/2 (black) to +sigma/2 "
        "(white). The others have no more bytes than radcodec at E = sigma/8. Errors are in units of sigma and of the "
        "whole image."
    )
    shown = "".join(maps) or '<p class="missing">Missing: the images are not there, or imagecodecs is not.</p>'
    return f'<section id="{MAPS}"><h2>Error maps</h2><p>{text} {html.escape(note)}</p>{shown}</section>'


def maps_of(page_text: str) -> str:
    """Return the section of error maps of a page that was made before."""
    start = page_text.index(f'<section id="{MAPS}">')
    end = page_text.index("</section>", start) + len("</section>")
    return page_text[start:end]


def _files(results: Results) -> str:
    rows = []
    for file in results.files:
        found = file.rows()
        machines = "; ".join(sorted({row["machine"] for row in found if row.get("machine")}))
        cells = (file.path.name, file.command, str(len(found)), machines)
        rows.append("<tr>" + "".join(f'<td class="text">{html.escape(cell)}</td>' for cell in cells) + "</tr>")
    names = ("file", "command", "rows", "machine")
    head = "<tr>" + "".join(f'<th class="text">{name}</th>' for name in names) + "</tr>"
    return (
        '<section id="files"><h2>Result files</h2><p>Of rows for the same thing the newest counts.</p>'
        '<div class="table" tabindex="0" role="region" aria-label="Result files"><table>'
        f"<thead>{head}</thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def fingerprint(results: Results) -> str:
    """Return a hash of the names and contents of all result files; a page holds that of the files it was made from."""
    digest = hashlib.sha256()
    for file in results.files:
        digest.update(file.path.name.encode() + b"\0" + hashlib.sha256(file.path.read_bytes()).digest())
    return digest.hexdigest()[:16]
