"""The README's results: a table whose numbers have a letter for the file that each is from, and speed beside fpack."""

from __future__ import annotations

import string
from collections.abc import Sequence

from benchmarks.reporting.facts import Facts, shown
from benchmarks.reporting.results import Results, grouped
from benchmarks.reporting.sizes import OF_MANY, OURS, label, order_of, sizes
from benchmarks.reporting.tables import REPOSITORY_FOLDER, Table
from benchmarks.run import curves as rd
from benchmarks.run.distortion import ESTIMATE

BOUNDS = ("", "sigma/8", "sigma/2")
SETS = ("first/test", "telescopes")
LOSSY_SET, LOSSY_MEASURE = "first/test", "rmse_companded"


class Letters:
    """Letters for files, in the order in which they are first used."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}

    def of(self, names: Sequence[str]) -> str:
        """Return the letters of some files, as they stand behind a number."""
        for name in names:
            self._found.setdefault(name, string.ascii_lowercase[len(self._found)])
        return f"<sup>{','.join(sorted(self._found[name] for name in names))}</sup>"

    def legend(self) -> str:
        """Say what each letter stands for."""
        return (
            "Sources: " + ", ".join(f"{mark} `{REPOSITORY_FOLDER}/{name}`" for name, mark in self._found.items()) + "."
        )


def size_table(results: Results) -> Table:
    """Make a table with a line for each set or image: radcodec and the smallest other codec at three demands."""
    letters, found = (
        Letters(),
        {bound: sizes(results, "bounded" if bound else "lossless", bound, SETS) for bound in BOUNDS},
    )
    bits = {bound: at.bits() for bound, at in found.items()}
    places = order_of(sorted({place for at in bits.values() for codec in at.values() for place in codec}))
    lines, best = [], set()
    for y, place in enumerate(places):
        count = max(at.images(place) for at in found.values())
        line = [f"{place}, mean of {count}" if place.startswith(OF_MANY) else place]
        for bound in BOUNDS:
            ours = bits[bound].get(OURS, {}).get(place)
            here = {c: at[place] for c, at in bits[bound].items() if place in at and not c.startswith(OURS)}
            rival = min(here, key=lambda codec: here[codec]) if here else None
            if ours is not None or rival is not None:
                best.add((y, len(line) + (ours is None or (rival is not None and here[rival] < ours))))
            line.append("-" if ours is None else f"{ours:.2f}{letters.of(found[bound].source(OURS, place))}")
            text = "-" if rival is None else f"{here[rival]:.2f} {label(rival)}"
            line.append(text + ("" if rival is None else letters.of(found[bound].source(rival, place))))
        lines.append(line)
    header = ["image"]
    for title in ("lossless", "E = sigma/8", "E = sigma/2"):
        header += [title, "best other"]
    return Table(
        title="Bits a pixel: radcodec, and the smallest of all other codecs",
        header=header,
        rows=lines,
        best=frozenset(best),
        notes=[letters.legend()] if lines else [],
    )


def lossy_table(results: Results, model: str) -> Table | None:
    """Make the table of the lossy mode: its error at four rates, and the bits that other codecs take for it.

    None without rows.
    """
    rows = [row for row in results.rows("rd") if row["set"] == LOSSY_SET]
    curves = rd.curves_of(rows, LOSSY_MEASURE)
    if (OURS, model) not in curves:
        return None
    letters, lines = Letters(), []
    others = sorted({codec for codec, _ in curves} - {OURS, ESTIMATE})
    used = [row for row in rows if row["codec"] != OURS or row["variant"] == model]
    marks = {c: letters.of(results.sources([row for row in used if row["codec"] == c])) for c in (OURS, *others)}
    for rate in rd.RATES:
        errors = {image: error for image, curve in curves[OURS, model].items() if (error := curve.error_at(rate))}
        if not errors:
            continue
        line = [f"{rate:g}", f"{sum(errors.values()) / len(errors):.3f}{marks[OURS]}"]
        for codec in others:
            text = rd.cell(curves, codec, errors, rate)
            line.append(text if text == "-" else text.split(" ")[0] + marks[codec])
        lines.append(line)
    return Table(
        title=f"Lossy mode, {LOSSY_SET}: bits a pixel for equal error",
        header=["radcodec", "RMSE, companded", *others],
        rows=lines,
        notes=[letters.legend()],
        text_columns=0,
    )


COMPRESS = {
    "exact": "radcodec compress image.fits exact.rcz",
    "at `0.125sigma`": "radcodec compress image.fits --max-error 0.125sigma bounded.rcz",
}
DECOMPRESS = {
    "exact": "radcodec decompress exact.rcz back.fits",
    "at `0.125sigma`": "radcodec decompress bounded.rcz back.fits",
}
FPACK, FUNPACK = "fpack -O packed.fits.fz image.fits", "funpack -O back.fits packed.fits.fz"


def speed_lines(results: Results) -> list[str]:
    """Say what whole commands take beside fpack, image by image; a line for each image, and where the numbers are."""
    facts, rows = Facts(results), results.last("cold")
    lines = []
    for (file, shape), some in grouped(rows, "file", "shape").items():

        def texts(commands: dict[str, str], file: str = file) -> str:
            found = [(name, facts.seconds(command, file)) for name, command in commands.items()]
            return ", ".join(f"{shown(seconds, '.1f')} s {name}" for name, seconds in found)

        packing, unpacking = (shown(facts.seconds(command, file), ".2f") for command in (FPACK, FUNPACK))
        lines.append(
            f"- {shape} pixels: `compress` takes {texts(COMPRESS)}; fpack {packing} s. "
            f"`decompress` takes {texts(DECOMPRESS)}; funpack {unpacking} s. "
            f"(radcodec at commit {some[0]['commit']})"
        )
    if not lines:
        return ["No rows yet; `python -m benchmarks cold` makes them."]
    source = ", ".join(f"`{REPOSITORY_FOLDER}/{name}`" for name in results.sources(rows))
    origin = f"rows `command` and `file` in {source}"
    return [*lines, "", f"Medians of whole commands on {rows[0]['machine']}: {origin}."]


def readme(results: Results) -> str:
    """Return the Markdown between the README's markers."""
    lines = [
        *size_table(results).markdown(),
        "A letter names the file of a number. Its row there has the image as `file`, the `codec`, and the `bound`.",
        "",
        "**Speed beside fpack, default options**",
        "",
        *speed_lines(results),
    ]
    return "\n".join(lines).rstrip() + "\n"
