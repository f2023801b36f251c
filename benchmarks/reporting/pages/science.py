"""Markdown tables of docs/science.md from the newest rows of science and stack."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.reporting.results import Results, grouped
from benchmarks.types import Row

LEVELS = {"exact": "lossless", "bound": "E = sigma/{}", "size": "{} bit a pixel"}
ANNULI = ("0.05-0.1", "0.15-0.2", "0.3-0.5")


NO_ROWS = "No rows yet; `python -m benchmarks science` and `python -m benchmarks stack` make them."


def science_report(results: Results) -> str:
    """Make all tables, each with the files that its numbers come from."""
    return text([*stack_tables(results), *source_tables(results), *noise_tables(results)])


def stacks_report(results: Results) -> str:
    """Make the tables on stacks of injected sources."""
    return text(stack_tables(results))


def sources_report(results: Results) -> str:
    """Make the tables on sources that finders find."""
    return text(source_tables(results))


def noise_report(results: Results) -> str:
    """Make the tables on noise and moment maps."""
    return text(noise_tables(results))


def text(lines: Sequence[str]) -> str:
    """Join lines; without any say what makes rows."""
    return ("\n".join(lines).rstrip() or NO_ROWS) + "\n"


def stack_tables(results: Results) -> list[str]:
    """Make the tables of every set of stacks."""
    lines: list[str] = []
    stacks = [row for row in results.rows("stack") if row["status"] == "ok"]
    for (chosen,), of_set in grouped(stacks, "set").items():
        most = max(int(row["n"]) for row in of_set)
        last = [row for row in of_set if int(row["n"]) == most]
        title = f"Stacks of {most} sources, {chosen}: recovered share of the injected flux, %"
        lines += table(title, stack_lines(last), results.sources(last))
        lines += table(f"Single sources, {chosen}: found at one false alarm in a hundred, %", single_lines(last), [])
    return lines


def by_set(results: Results) -> dict[tuple[str, ...], list[Row]]:
    """Return the rows of science of every set, without cubes."""
    rows = [row for row in results.rows("science") if row["status"] == "ok" and not row["set"].startswith("cubes")]
    return grouped(rows, "set")


def source_tables(results: Results) -> list[str]:
    """Make the tables of every set and source finder."""
    lines: list[str] = []
    for (chosen,), of_set in by_set(results).items():
        for finder in ("sep", "sep truth", "photutils", "pybdsf", "pybdsf truth"):
            if made := source_lines(of_set, finder):
                against = "known sources" if finder.endswith("truth") else "those of the original"
                title = f"Sources, {chosen} ({of_set[0]['files']} images), {finder.split()[0]}, against {against}"
                lines += table(title, made, results.sources(of_set))
    return lines


def noise_tables(results: Results) -> list[str]:
    """Make the tables of the noise of every set, and of moment maps."""
    lines: list[str] = []
    for (chosen,), of_set in by_set(results).items():
        title = f"Noise, {chosen} ({of_set[0]['files']} images)"
        lines += table(title, noise_lines(of_set), results.sources(of_set))
    science = [row for row in results.rows("science") if row["status"] == "ok"]
    if cubes := [row for row in science if row["set"].startswith("cubes")]:
        lines += table("Moment maps of cubes", moment_lines(cubes), results.sources(cubes))
    return lines


def table(title: str, lines: Sequence[str], sources: Sequence[str]) -> list[str]:
    """Return a table under its title."""
    origin = [f"From {', '.join(f'`benchmarks/results/{name}`' for name in sources)}.", ""] if sources else []
    return [f"**{title}**", "", *lines, "", *origin]


def ordered(rows: Sequence[Row]) -> dict[tuple[str, ...], list[Row]]:
    """Group rows by comparison, level and codec: the control, coarse to fine bounds, small to large sizes."""

    def rank(row: Row) -> tuple[int, float]:
        return ("exact", "bound", "size").index(row["comparison"]), float(row["level"])

    return grouped(sorted(rows, key=rank), "comparison", "level", "codec")


def head(*titles: str) -> list[str]:
    """Return the first lines of a table; all columns but two are numbers."""
    return [f"| {' | '.join(titles)} |", "|---|---|" + "---:|" * (len(titles) - 2)]


def first_cells(key: tuple[str, ...], row: Row) -> list[str]:
    """Return the cells on what is compared, the codec, and its bits."""
    comparison, level, codec = key
    return [LEVELS[comparison].format(level), codec, f"{float(row['bits_per_pixel']):.3f}"]


def stack_lines(rows: Sequence[Row]) -> list[str]:
    """Write a line for each codec and level: mean stacks of each amplitude, a median stack, blank places."""
    lines = head(
        "compared at", "codec", "bits/px", "0.1 sigma", "0.3", "1", "3", "median stack, 1 sigma", "blank, sigma"
    )
    for key, some in ordered(rows).items():
        by = {row["amplitude"]: row for row in some}
        cells = first_cells(key, some[0])
        cells += [percent(by[a]["recovered"], by[a]["recovered_error"], 1.0) for a in ("0.1", "0.3", "1", "3")]
        median = 1.0 + float(by["1"]["median_change"])
        cells.append(percent(str(median), by["1"]["median_change_error"], 1.0))
        cells.append(f"{float(by['0']['change']):+.4f} ± {float(by['0']['change_error']):.4f}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def percent(value: str, error: str, truth: float) -> str:
    """Write a share in percent with its error; bold if it is more than three errors off the truth."""
    text = f"{100 * float(value):.1f} ± {100 * float(error):.1f}"
    return f"**{text}**" if abs(float(value) - truth) > max(3 * float(error), 5e-4) else text


def single_lines(rows: Sequence[Row]) -> list[str]:
    """Write a line for each codec and level: share of sources found one by one, scatter of their fluxes."""
    lines = head("compared at", "codec", "bits/px", "0.3 sigma", "1", "3", "scatter of fluxes, sigma")
    for key, some in ordered(rows).items():
        by = {row["amplitude"]: row for row in some}
        cells = [*first_cells(key, some[0]), *(f"{100 * float(by[a]['found']):.1f}" for a in ("0.3", "1", "3"))]
        lines.append(f"| {' | '.join([*cells, by['1']['scatter']])} |")
    return lines


def source_lines(rows: Sequence[Row], finder: str) -> list[str]:
    """Write a line for each codec and level, bins of S/N in each cell; nothing if the finder has no rows."""
    chosen = [
        row
        for row in rows
        if row["metric"].startswith(f"{finder} ") and row["metric"].count(" ") == finder.count(" ") + 1
    ]
    if not chosen:
        return []
    bins = list(dict.fromkeys(row["bin"] for row in chosen))
    lines = head(
        f"compared at (S/N {', '.join(bins)})", "codec", "bits/px", "peak", "flux", "scatter of flux", "offset, px",
        "found again", "spurious",
    )  # fmt: skip
    for key, some in ordered(chosen).items():
        by = {(row["metric"].removeprefix(f"{finder} "), row["bin"]): row for row in some}

        def cell(metric: str, column: str = "value", digits: int = 3, by: dict[tuple[str, str], Row] = by) -> str:
            return ", ".join(number(by[metric, name][column], digits) for name in bins)

        cells = [
            *first_cells(key, some[0]), cell("peak_ratio"), cell("flux_ratio"), cell("flux_ratio", "scatter"),
            cell("offset_px", digits=2), cell("completeness", digits=2), cell("spurious", digits=2),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def number(text: str, digits: int) -> str:
    """Write a number; a dash for none."""
    return "-" if text in ("", "nan") else f"{float(text):.{digits}f}"


def noise_lines(rows: Sequence[Row]) -> list[str]:
    """Write a line for each codec and level."""
    metrics = ("rms_ratio", "mad_ratio", "ks", "kurtosis", "gain", "residual_correlation")
    titles = ("rms", "MAD", "KS", "kurtosis", "gain", "residual with image")
    lines = head("compared at", "codec", "bits/px", *titles, *(f"power {annulus}" for annulus in ANNULI))
    chosen = [row for row in rows if row["metric"] in (*metrics, "power_ratio")]
    for key, some in ordered(chosen).items():
        by = {(row["metric"], row["bin"]): row["value"] for row in some}
        cells = [*first_cells(key, some[0]), *(number(by[metric, ""], 3) for metric in metrics)]
        cells += [f"{float(by['power_ratio', annulus]):.3g}" for annulus in ANNULI]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def moment_lines(rows: Sequence[Row]) -> list[str]:
    """Write a line for each cube, codec and level."""
    lines = head(
        "compared at", "codec", "cube", "bits/px", "flux", "moment 0, rms / noise", "moment 1, rms, px", "largest",
    )  # fmt: skip
    for (cube,), of_cube in grouped(rows, "bin").items():
        for key, some in ordered(of_cube).items():
            by = {row["metric"]: row["value"] for row in some}
            compared, codec, bits = first_cells(key, some[0])
            cells = [compared, codec, cube, bits, number(by["moment0_ratio"], 4)]
            cells += [number(by[metric], 3) for metric in ("moment0_rms", "moment1_rms", "moment1_max")]
            lines.append(f"| {' | '.join(cells)} |")
    return lines
