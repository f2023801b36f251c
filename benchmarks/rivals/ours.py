"""radcodec itself, as a stream of kind "array": its bytes are those of the whole stream, envelope included."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.rivals.base import Array


class Radcodec:
    """``radcodec.encode``: lossless, or bounded by the absolute error; one thread and output verified by default."""

    name = "radcodec"

    def __init__(self, *, threads: int = 1, verify: bool = True, dither: bool = False, smallest: bool = False) -> None:
        self.threads, self.verify, self.dither, self.smallest = threads, verify, dither, smallest
        self.setting = f"default, {threads} thread{'s' if threads > 1 else ''}{'' if verify else ', not verified'}"

    def version(self) -> str:
        from importlib.metadata import version

        import radcodec  # noqa: F401

        return version("radcodec")

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        import radcodec

        options: dict[str, Any] = {"threads": self.threads, "verify": self.verify, "dither": self.dither}
        options["smallest"] = self.smallest and max_error is not None
        return bytes(radcodec.encode(array, max_error=max_error, **options))

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        import radcodec

        return np.asarray(radcodec.decode(data, threads=self.threads))
