"""Sections on sizes: the summary, tracks, telescopes, integers, and archive tools at their defaults."""

from __future__ import annotations

import statistics

from benchmarks.reporting import sizes
from benchmarks.reporting.charts import Axis, Plot, Series
from benchmarks.reporting.pages.readme import lossy_table, size_table
from benchmarks.reporting.results import Results
from benchmarks.reporting.section import Section, kept, measured_model
from benchmarks.reporting.sizes import OURS

MAX_CURVES = 9


def summary(results: Results) -> Section:
    """Make the section that the README shows too."""
    table = size_table(results)
    return Section(
        name="summary",
        title="In short",
        text="Bits a pixel are stored bytes times 8 over pixels; the smaller of each pair is in bold. "
        "E is the same for every codec: a part of sigma = 1.4826 MAD of the image.",
        command="python -m benchmarks run",
        tables=kept([table if table.rows else None, lossy_table(results, measured_model(results))]),
    )


def beaten(results: Results) -> Section:
    """Make the section on images with a smaller stream of another codec."""
    return Section(
        name="beaten",
        title="Where others are smaller",
        text="All lossless, bounded and integer rows, image by image. A table further down has the lossy mode image by "
        "image: bits of the others over radcodec's.",
        command="python -m benchmarks run",
        tables=kept([sizes.beaten_table(results)]),
    )


def ladder_plot(results: Results) -> Plot:
    """Plot the size at equal largest error of the codecs that are smallest on average, on FIRST."""
    curves = sizes.ladder_curves(results, "first/test")
    whole = {codec: points for codec, points in curves.items() if len(points) > 1}
    chosen = sorted(whole, key=lambda codec: (codec != OURS, statistics.mean(bits for _, bits in whole[codec])))
    series = [Series(name=sizes.label(codec), points=whole[codec]) for codec in chosen[:MAX_CURVES]]
    ticks = sorted({error for points in curves.values() for error, _ in points})
    texts = [f"σ/{round(1 / tick)}" if tick < 1 else "σ" for tick in ticks]
    return Plot(
        title="Size at equal largest error, FIRST", series=series, y=Axis(title="bits a pixel"),
        x=Axis(title="largest error E", logarithmic=True, ticks=ticks, texts=texts),
        caption="Mean of first/test; the codecs that are smallest on average.",
    )  # fmt: skip


def tracks(results: Results) -> Section:
    """Make the section on lossless and bounded sizes, with the ladder of bounds as a chart."""
    places = ("first/test", "telescopes", "cubes", "simulated")
    tables = []
    for bound in sizes.LADDER:
        title = f"Equal largest error, E = {sizes.SHOWN.get(bound, bound)}" if bound else "Lossless"
        tables.append(sizes.size_table(results, "bounded" if bound else "lossless", bound, title, places))
    absent = results.missing("run")
    not_installed = " Not installed when this was measured: " + ", ".join(sorted(absent)) + "." if absent else ""
    return Section(
        name="tracks",
        title="Equal largest error, and lossless",
        text="Every decode is checked. A codec without such a mode, or without a row for every image, has a dash. "
        f"`benchmarks/rivals` says how each maps floats to its integers.{not_installed}",
        command="python -m benchmarks run --track bounded --divisor 16 --divisor 8 --set first/test",
        tables=kept(tables),
        figures=[figure] if (figure := ladder_plot(results).html()) else [],
    )


def telescopes(results: Results) -> Section:
    """Make the section with a table for each telescope, cube and set."""
    return Section(
        name="telescopes",
        title="Telescope by telescope",
        text="The same numbers by image: one line a codec, one column a bound.",
        command="python -m benchmarks run --track lossless --set telescopes --set cubes",
        tables=sizes.place_tables(results, ("first/test", "telescopes", "cubes", "simulated")),
    )


def integers(results: Results) -> Section:
    """Make the section on integer cubes and maps, and on 8-bit pictures."""
    sky = sizes.size_table(results, "integers", "", "Integer samples, lossless", ("first/test", "telescopes", "cubes"))
    floats, whole = (
        sizes.size_table(results, track, "", f"FIRST images on a lattice, {what}", ("first/train", "first/test"))
        for track, what in (("lattices", "as the floats that they are"), ("integers", "as the integers behind them"))
    )
    small = sizes.size_table(results, "lossless", "", "8 bits: test batch of MiraBest, 150 x 150", ("mirabest",))
    return Section(
        name="integers",
        title="Integers: cubes, maps, 8-bit pictures",
        text="Stored integers, and the integers behind floats that lie on an even lattice. In MiraBest's pictures all "
        "pixels below 3 sigma were set to 0, so most of a file is its envelope.",
        command="python -m benchmarks run --track integers --set cubes",
        tables=kept([sky, floats, whole, small]),
    )


def whole_files(results: Results) -> Section:
    """Make the section on whole files under the bounds that the quick start recommends."""
    return Section(
        name="bounds",
        title="Whole files at the bounds of the quick start",
        text="What each option does to a FITS file, beside gzip and fpack as they come. A bound in sigma is of the "
        "noise that the command line measures, not of 1.4826 MAD. RMSE is in units of 1.4826 MAD of the file; quiet "
        "and noisy are the tenths of the image with the lowest and the highest noise, in units of the noise there.",
        command="python -m benchmarks run --track bounds --set first/test --set telescopes --set mosaic",
        tables=sizes.bounds_tables(results),
    )


def archives(results: Results) -> Section:
    """Make the section on tools at their defaults."""
    return Section(
        name="defaults",
        title="Archive tools as they come",
        text="What `fpack`, astropy, gzip, Zstandard and radcodec do to a FITS file without any option. Bits are of "
        "whole files, header and padding included. Errors are in units of sigma = 1.4826 MAD of the file: the largest "
        "of all files, and the mean RMSE. The tools choose different errors; only in the last line has radcodec the "
        'largest error that fpack made in the same file as its bound. "Whole FITS files" shows what a `.rcz` has '
        "besides pixels: header, index, checksums, preview.",
        command="python -m benchmarks run --track defaults --set first/test",
        tables=kept([*sizes.defaults_tables(results), sizes.files_table(results)]),
    )
