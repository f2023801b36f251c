"""The conclusions of docs/benchmarks.md: short tables and sentences, every number from the newest rows."""

from __future__ import annotations

from benchmarks.reporting.facts import Facts, mean_of, shown, value_of
from benchmarks.reporting.pages.readme import lossy_table, size_table
from benchmarks.reporting.results import Results
from benchmarks.reporting.sizes import beaten_table, order_of, place_of
from benchmarks.reporting.tables import Table, from_files

FLOATS = ("first/test", "telescopes")
BOUNDS = ("", "sigma/16", "sigma/8", "sigma/4", "sigma/2", "sigma/1")
SHOWN = {
    "sizes": "Bits a pixel against the largest error, mean of FIRST's images",
    "lossy": "Error against bits a pixel of the lossy modes, mean of FIRST's images",
    "speed": "Ratio against speed of encoding at E = sigma/8, 4096 x 4096 simulated pixels",
}
SPEED_PIXELS = 4096**2


def lead_table(results: Results) -> Table:
    """Make the table of how many times the bits the best other codec takes, on FIRST and on the telescopes."""
    facts = Facts(results)
    rows = [row for row in results.rows("run") if row["set"] == "telescopes" and row["track"] == "lossless"]
    places = order_of(sorted({place_of(row) for row in rows}))
    lines = []
    for title, chosen in (("FIRST, mean of 40", ["first/test"]), (f"{len(places)} telescopes, geometric mean", places)):
        lines.append([title, *(shown(facts.lead(chosen, bound)) for bound in BOUNDS)])
    used = [row for row in results.rows("run") if row["set"] in FLOATS and row["track"] in ("lossless", "bounded")]
    return Table(
        title="The best other codec's bits over radcodec's",
        header=["", "lossless", *("E = " + bound.removesuffix("/1") for bound in BOUNDS[1:])],
        rows=lines,
        notes=[from_files(results.sources(used))],
    )


def speed_table(results: Results) -> Table | None:
    """Make the table of encoding and decoding speed beside the usual codecs; None without rows."""
    facts, lines, used = Facts(results), [], []
    wanted = (
        ("radcodec", "1", "sigma/8"), ("radcodec", "2", "sigma/8"), ("jpeg2000", "1", "sigma/8"),
        ("rice", "1", "sigma/8"), ("sz3", "1", "sigma/8"), ("sperr", "1", "sigma/8"), ("radcodec", "1", ""),
        ("radcodec", "2", ""), ("fpzip", "1", ""), ("gzip", "1", ""),
    )  # fmt: skip
    for codec, threads, bound in wanted:
        row = facts.speed(codec, threads, bound, SPEED_PIXELS, verify=True)
        if row is None:
            continue
        used.append(row)
        name = f"{codec}, {threads} thread{'s' if threads != '1' else ''}"
        cells = (shown(value_of(row, f"{way}_mpix_s"), ".1f") for way in ("encode", "decode"))
        bits = shown(value_of(row, "bits_per_pixel"))
        lines.append([f"E = {bound}" if bound else "lossless", name, bits, *cells])
    if not lines:
        return None
    commits = ", ".join(sorted({row["commit"] for row in used}))
    previews = all(row["preview"] not in ("", "0") for row in used if row["codec"] == "radcodec")
    does = "makes a preview and checks what it wrote" if previews else "checks what it wrote, without a preview"
    return Table(
        title="Speed on 4096 x 4096 simulated pixels",
        header=["demand", "codec", "bits a pixel", "encode, Mpix/s", "decode, Mpix/s"],
        rows=lines,
        notes=[f"radcodec {does}; commit {commits}. {from_files(results.sources(used))}"],
        text_columns=2,
    )


def archive_table(results: Results) -> Table | None:
    """Make the table of whole files through archive tools without options, on FIRST; None without rows."""
    rows = [row for row in results.rows("defaults") if row["status"] == "ok" and row["set"] == "first/test"]
    lines = []
    for codec in dict.fromkeys(row["codec"] for row in rows):
        some = [row for row in rows if row["codec"] == codec]
        worst = max(float(row["max_error_sigma"]) for row in some)
        bits, rmse = mean_of(some, "bits_per_pixel"), mean_of(some, "rmse_sigma")
        lines.append([codec, shown(bits), f"{worst:.3f}", shown(rmse, ".3f")])
    if not lines:
        return None
    return Table(
        title="Archive tools without options, FIRST: whole files",
        header=["tool", "bits a pixel", "largest error of all files, sigma", "mean RMSE, sigma"],
        rows=lines,
        notes=[from_files(results.sources(rows))],
    )


def overview(results: Results, model: str) -> str:
    """Return what stands between the markers of docs/benchmarks.md."""
    parts = (
        ("Equal largest error, and lossless", "sizes", [lead_table(results), size_table(results)]),
        ("Where others are smaller", "", [beaten_table(results)]),
        ("Equal error of the lossy mode", "lossy", [lossy_table(results, model)]),
        ("Archive tools", "", [archive_table(results)]),
        ("Speed", "speed", [speed_table(results)]),
    )
    lines: list[str] = []
    for title, picture, tables in parts:
        lines += [f"## {title}", ""]
        lines += [f"![{SHOWN[picture]}](figures/{picture}.svg)", ""] if picture else []
        for table in tables:
            lines += table.markdown() if table is not None else []
    return "\n".join(lines).rstrip() + "\n"
