"""RICE of cfitsio's fpack at an absolute step, with its subtractive dither or without."""

from __future__ import annotations

from benchmarks.rivals.base import Unsupported
from benchmarks.rivals.fpack import Fpack
from benchmarks.types import Array


class FpackSteps(Fpack):
    """``fpack -r`` on floats in steps of exactly 2E (negative q).

    ``dither``: with fpack's default kind of dither (-q), else without (-q0). The rival of the other tracks takes a
    little off E, so that rounding to float32 keeps the bound; here both kinds have the same step.
    """

    def __init__(self, *, dither: bool) -> None:
        super().__init__("rice")
        self.name = "fpack-rice-dither" if dither else "fpack-rice"
        self.option = "-q" if dither else "-q0"
        self.setting = f"fpack -r {self.option} -2E"

    def float_options(self, filled: Array, max_error: float | None) -> list[str]:
        if max_error is None:
            raise Unsupported("bounded floats only")
        return [self.option, repr(-2.0 * max_error)]

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        if array.dtype.kind != "f":
            raise Unsupported("bounded floats only")
        return super().encode(array, max_error=max_error)
