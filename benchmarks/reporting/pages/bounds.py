"""The table "Which bound?" of the quick start: what to type, how large the file gets, what is lost."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.reporting.facts import Facts, mean_of, shown, value_of
from benchmarks.reporting.results import Results
from benchmarks.reporting.tables import REPOSITORY_FOLDER

FIRST, TELESCOPES, MOSAIC = "first/test", "telescopes", "mosaic"
SIMULATED, SMOOTH = "simulated", "simulated-smooth"
SETS = (FIRST, TELESCOPES, MOSAIC)
LOCAL, GLOBAL = "--max-error 0.125localsigma", "--max-error 0.125sigma"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A line of the table: what the image is for, the option, the sets, and the sentence on what is lost."""

    purpose: str
    option: str
    sets: Sequence[str]
    lost: Callable[[Facts], str]


def percent(value: float | None, digits: int = 1) -> str:
    """Write a share in percent."""
    return "-" if value is None else f"{100 * value:.{digits}f} %"


def noise_rise(facts: Facts, level: str, codec: str) -> str:
    """Say by how much the noise of FIRST's images rises at a bound."""
    ratio = value_of(facts.science(FIRST, "bound", level, codec, "rms_ratio", ""))
    return "-" if ratio is None else f"{100 * (ratio - 1):+.1f} %"


def stack_of(facts: Facts, level: str, codec: str) -> str:
    """Say what stacks of 1-sigma sources keep of their flux on two kinds of noise, each with its standard error."""
    texts = []
    for chosen in (SIMULATED, SMOOTH):
        row = facts.stack(chosen, "bound", level, codec)
        texts.append(f"{percent(value_of(row, 'recovered'))} ± {percent(value_of(row, 'recovered_error'))}")
    return f"{texts[0]} (on smooth noise {texts[1]})"


def sources_of(facts: Facts, level: str, part: str) -> str:
    """Say how far fluxes of sources in a bin of signal to noise are off, and how they scatter."""
    row = facts.science(FIRST, "bound", level, "radcodec", "sep flux_ratio", part)
    value = value_of(row)
    mean = "-" if value is None else f"{100 * abs(value - 1):.1f} %"
    return f"{mean}, scatter {percent(value_of(row, 'scatter'))}"


def stacking_lost(facts: Facts) -> str:
    """Say what is lost at an eighth of the noise."""
    return (
        f"noise {noise_rise(facts, '8', 'radcodec')}; stacks of 1-sigma sources keep {stack_of(facts, '8', 'radcodec')}"
    )


def dither_lost(facts: Facts) -> str:
    """Say what is lost at half the noise with dither."""
    noise, kept = noise_rise(facts, "2", "radcodec dither"), stack_of(facts, "2", "radcodec dither")
    return f"noise {noise}; stacks of 1-sigma sources keep {kept}"


def catalogue_lost(facts: Facts) -> str:
    """Say what is lost at a quarter of the noise."""
    noise, fluxes = noise_rise(facts, "4", "radcodec"), sources_of(facts, "4", "5-10")
    return f"noise {noise}; fluxes of sources of 5 to 10 sigma off by {fluxes}"


def bright_lost(facts: Facts) -> str:
    """Say what is lost at the noise."""
    found = value_of(facts.science(FIRST, "bound", "1", "radcodec", "sep completeness", "5-10"))
    kept, fluxes = stack_of(facts, "1", "radcodec"), sources_of(facts, "1", ">30")
    return (
        f"fluxes above 30 sigma off by {fluxes}; of sources of 5 to 10 sigma {percent(found, 0)} are found again; "
        f"stacks of 1-sigma sources keep {kept}"
    )


def mosaic_lost(facts: Facts) -> str:
    """Say how errors compare with the noise beside them, in the middle and at the edge of a mosaic."""
    texts = []
    for option, name in ((LOCAL, "errors"), (GLOBAL, "with `0.125sigma`")):
        rows = facts.whole_files(MOSAIC, "radcodec", option)
        quiet, noisy = (mean_of(rows, column) for column in ("rmse_quiet", "rmse_noisy"))
        texts.append(
            f"{name} {shown(quiet, '.3f')} of the noise where it is low, {shown(noisy, '.3f')} where it is high"
        )
    return "; ".join(texts)


USES = (
    Use(purpose="archive: every byte comes back", option="", sets=(FIRST, TELESCOPES), lost=lambda _: "nothing"),
    Use(purpose="stacking, faint sources", option=GLOBAL, sets=(FIRST, TELESCOPES), lost=stacking_lost),
    Use(
        purpose="stacking, smaller file", option="--max-error 0.5sigma --dither", sets=(FIRST, TELESCOPES),
        lost=dither_lost,
    ),
    Use(purpose="catalogue of sources", option="--max-error 0.25sigma", sets=(FIRST, TELESCOPES), lost=catalogue_lost),
    Use(purpose="bright sources only", option="--max-error 1sigma", sets=(FIRST, TELESCOPES), lost=bright_lost),
    Use(purpose="mosaic with noisy edges", option=LOCAL, sets=(MOSAIC,), lost=mosaic_lost),
)  # fmt: skip


def size_cell(facts: Facts, use: Use) -> list[str]:
    """Return bits a pixel of each set, and how many times smaller the first set's files are than gzip's and fpack's."""
    bits = [mean_of(facts.whole_files(chosen, "radcodec", use.option), "bits_per_pixel") for chosen in use.sets]
    cells = [" / ".join(shown(value) for value in bits)]
    for codec in ("gzip", "fpack"):
        other = mean_of(facts.whole_files(use.sets[0], codec), "bits_per_pixel")
        cells.append("-" if other is None or bits[0] is None else f"{other / bits[0]:.1f}")
    return cells


def bounds_block(results: Results) -> str:
    """Return the table with its sources."""
    facts = Facts(results)
    lines = [
        "| for | add to `radcodec compress IN.fits` | bits a pixel | gzip / it | fpack / it | what is lost |",
        "|---|---|---:|---:|---:|---|",
    ]
    for use in USES:
        option = f"`{use.option}`" if use.option else "(no option)"
        lines.append(f"| {use.purpose} | {option} | {' | '.join(size_cell(facts, use))} | {use.lost(facts)} |")
    return "\n".join([*lines, "", *sources(results)]) + "\n"


def sigma_ratio(facts: Facts) -> float | None:
    """Return the mean ratio of the command line's sigma to 1.4826 MAD on FIRST."""
    rows = [row for row in facts.whole_files(FIRST, "radcodec", GLOBAL) if row.get("sigma_used")]
    ratios = [float(row["sigma_used"]) / float(row["sigma_mad"]) for row in rows]
    return statistics.mean(ratios) if ratios else None


def sources(results: Results) -> list[str]:
    """Name the rows of the table's numbers."""

    def files(command: str, *sets: str) -> str:
        rows = [row for row in results.rows(command) if row["set"] in sets]
        return ", ".join(f"`{REPOSITORY_FOLDER}/{name}`" for name in results.sources(rows)) or "no rows yet"

    n_first, n_others = (len(Facts(results).whole_files(chosen, "gzip")) for chosen in (FIRST, TELESCOPES))
    return [
        f"Bits a pixel are of whole files: the mean of {n_first} FIRST images / of {n_others} other telescopes. "
        "The mosaic is simulated. The next two columns are how many times larger the files of gzip (exact) and fpack "
        "(not exact) are, both without options, on FIRST or the mosaic.",
        "",
        "What is lost was measured at the same parts of 1.4826 MAD. On FIRST the command line's sigma is "
        f"{shown(sigma_ratio(Facts(results)))} times that.",
        "",
        f"Rows: sizes and errors of the mosaic by `codec` and `setting` in {files('bounds', *SETS)}. "
        f"Noise and sources are rows with `comparison` bound in {files('science', FIRST)}. "
        f"Stacks are rows of {SIMULATED} and {SMOOTH} in {files('stack', SIMULATED, SMOOTH)}.",
    ]
