"""The parts that all pages share: escaped text, tables, one style that fits a phone."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

# What a page may load: pictures in itself, its own style, and no script at all.
STATIC_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

STYLE = """
.radcodec{color:#1b1f24;background:#fff;font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
.radcodec *{box-sizing:border-box}
.radcodec h1{font-size:1.4em;margin:.2em 0}
.radcodec h2{font-size:1.1em;margin:1.4em 0 .4em}
.radcodec .wide{overflow-x:auto;max-width:100%}
.radcodec table{border-collapse:collapse;font-size:.9em}
.radcodec th,.radcodec td{border-bottom:1px solid #d5dae0;padding:.25em .7em .25em 0;text-align:left;vertical-align:top}
.radcodec th{font-weight:600;white-space:nowrap}
.radcodec td.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.radcodec img,.radcodec svg{display:block;max-width:100%;height:auto}
.radcodec img.picture{image-rendering:pixelated;background:#000}
.radcodec pre{font-size:.8em;overflow-x:auto;background:#f4f6f8;padding:.7em;margin:.4em 0}
.radcodec .bar{display:flex;height:1.2em;width:100%;border-radius:3px;overflow:hidden;background:#d5dae0}
.radcodec .note{color:#59636e;font-size:.9em}
""".strip()


def text(value: object) -> str:
    """Escape text for a page; characters that are no text, and could change how it reads, become U+FFFD."""
    shown = "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in str(value))
    return escape(shown, quote=True)


def page(title: str, body: str, *, policy: str = STATIC_POLICY, style: str = "") -> str:
    """Make a whole page of a body of HTML; ``title`` is plain text."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{text(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">\n'
        f"<title>{text(title)}</title>\n<style>body{{margin:0}}main{{max-width:60rem;margin:auto;padding:1rem}}\n"
        f"{STYLE}{style}</style></head>\n"
        f'<body class="radcodec"><main>\n{body}\n</main></body></html>\n'
    )


def table(rows: Iterable[Sequence[object]], heads: Sequence[str] = (), *, numbers: Iterable[int] = ()) -> str:
    """Make a table of plain values; without ``heads`` the first of each row is one. ``numbers`` are right-aligned."""
    right = frozenset(numbers)

    def cell(column: int, value: object) -> str:
        if column == 0 and not heads:
            return f"<th>{text(value)}</th>"
        return f"<td{' class=number' if column in right else ''}>{text(value)}</td>"

    lines = ["<tr>" + "".join(cell(*place) for place in enumerate(row)) + "</tr>" for row in rows]
    top = "<tr>" + "".join(f"<th>{text(head)}</th>" for head in heads) + "</tr>\n" if heads else ""
    return f'<div class="wide"><table>\n{top}' + "\n".join(lines) + "\n</table></div>"


def picture(png: bytes, words: str, *, width: int) -> str:
    """Make an image element of a PNG file, in the page itself; ``words`` say what it shows."""
    data = base64.b64encode(png).decode("ascii")
    return f'<img class="picture" alt="{text(words)}" style="width:{width}px" src="data:image/png;base64,{data}">'


def bar(parts: Sequence[tuple[str, int]]) -> str:
    """Make a bar of parts, each a name and a size, in shares of the width."""
    total = max(sum(size for _, size in parts), 1)
    pieces = "".join(
        f'<div title="{text(name)}" style="width:{100 * size / total:.3f}%;'
        f'background:{_COLOURS[place % len(_COLOURS)]}"></div>'
        for place, (name, size) in enumerate(parts)
    )
    return f'<div class="bar">{pieces}</div>'


# Colours that people with colour blindness can distinguish (Okabe and Ito, 2008).
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000")
