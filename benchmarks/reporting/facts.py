"""Single numbers of the newest rows, as the sentences and small tables of the pages need them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from benchmarks.reporting.results import Results
from benchmarks.reporting.sizes import OURS, Sizes, sizes
from benchmarks.run.curves import Curves, bits_needed, curves_of
from benchmarks.types import Row

MISSING = "-"


@dataclass(frozen=True)
class Facts:
    """Numbers of the newest rows. Each method returns None where there is no row."""

    results: Results

    def sizes_at(self, bound: str) -> Sizes:
        """Return the sizes of all codecs at one bound; lossless without one."""
        return sizes(self.results, "bounded" if bound else "lossless", bound)

    def bits(self, place: str, bound: str, codec: str = OURS) -> float | None:
        """Return a codec's mean bits a pixel of a set, or its bits of an image."""
        return self.sizes_at(bound).bits().get(codec, {}).get(place)

    def best_other(self, place: str, bound: str) -> tuple[float, str] | None:
        """Return the fewest bits that another codec takes, and its name."""
        found = self.sizes_at(bound).bits()
        others = [(at[place], codec) for codec, at in found.items() if place in at and not codec.startswith(OURS)]
        return min(others, default=None)

    def lead(self, places: Sequence[str], bound: str) -> float | None:
        """Return the geometric mean over places of the best other codec's bits over radcodec's."""
        ratios = []
        for place in places:
            ours, other = self.bits(place, bound), self.best_other(place, bound)
            if ours is not None and other is not None:
                ratios.append(other[0] / ours)
        return statistics.geometric_mean(ratios) if ratios else None

    @cached_property
    def _stacks(self) -> dict[tuple[str, ...], Row]:
        rows = [row for row in self.results.rows("stack") if row["status"] == "ok"]
        most: dict[str, int] = {}
        for row in rows:
            most[row["set"]] = max(int(row["n"]), most.get(row["set"], 0))
        names = ("set", "comparison", "level", "codec", "amplitude")
        return {tuple(row[name] for name in names): row for row in rows if int(row["n"]) == most[row["set"]]}

    def stack(self, chosen: str, comparison: str, level: str, codec: str, amplitude: str = "1") -> Row | None:
        """Return the row of the largest stack of one injected flux, in sigma."""
        return self._stacks.get((chosen, comparison, level, codec, amplitude))

    @cached_property
    def _science(self) -> dict[tuple[str, ...], Row]:
        names = ("set", "comparison", "level", "codec", "metric", "bin")
        rows = [row for row in self.results.rows("science") if row["status"] == "ok"]
        return {tuple(row[name] for name in names): row for row in rows}

    def science(self, chosen: str, comparison: str, level: str, codec: str, metric: str, part: str) -> Row | None:
        """Return the row of one measure in one bin of signal to noise."""
        return self._science.get((chosen, comparison, level, codec, metric, part))

    def curves(self, chosen: str, measure: str = "rmse_companded") -> Curves:
        """Return the curves of bits against error of a set."""
        return curves_of([row for row in self.results.rows("rd") if row["set"] == chosen], measure)

    def ratio_at_error(self, chosen: str, model: str, rate: float, codec: str) -> float | None:
        """Return a codec's bits at the error that ``model`` has at ``rate``, over ``rate``.

        Of a codec's variants the best counts that reaches the error of every image; None if there is none.
        """
        curves = self.curves(chosen)
        ours = curves.get((OURS, model), {})
        errors = {image: error for image, curve in ours.items() if (error := curve.error_at(rate)) is not None}
        found = []
        for (name, variant), by_image in curves.items():
            if codec in (name, variant):
                needed = bits_needed(by_image, errors)
                if needed and len(needed) == len(errors):
                    found.append(statistics.mean(needed) / rate)
        return min(found, default=None)

    def speed(self, codec: str, threads: str, bound: str, pixels: int, *, verify: bool = False) -> Row | None:
        """Return the row of a codec's speed on the square image of so many pixels.

        Verified, ours is the one with a preview (the command line's defaults) where there is one. Else it is the one
        without a preview.
        """
        wanted = (codec, threads, bound, str(pixels))
        rows = [
            row
            for row in self.results.last("speed")
            if tuple(row[name] for name in ("codec", "threads", "bound", "pixels")) == wanted
            and (codec != OURS or row["verify"] == str(verify))
        ]
        return min(rows, key=lambda row: (row["preview"] in ("", "0")) == verify, default=None)

    def seconds(self, command: str, file: str | None = None) -> float | None:
        """Return the median wall time of a whole command on a file, the first one unless it is named."""
        for row in self.results.last("cold"):
            if row["command"] == command and row["status"] == "ok" and file in (None, row["file"]):
                return float(row["median_s"])
        return None

    def whole_files(self, chosen: str, codec: str, setting: str = "") -> list[Row]:
        """Return the rows of ``run --track bounds`` of a set, of one codec with its options."""
        return [
            row
            for row in self.results.rows("bounds")
            if (row["set"], row["codec"], row["setting"], row["status"]) == (chosen, codec, setting, "ok")
        ]


def shown(value: float | None, form: str = ".2f") -> str:
    """Write a number; a dash for none."""
    return MISSING if value is None else format(value, form)


def value_of(row: Row | None, column: str = "value") -> float | None:
    """Return a cell as a number; None without a row, for an empty cell and for nan."""
    text = "" if row is None else row.get(column, "")
    return None if text in ("", "nan") else float(text)


def mean_of(rows: Sequence[Row], column: str) -> float | None:
    """Return the mean of a column; None without rows."""
    return statistics.mean(float(row[column]) for row in rows) if rows else None
