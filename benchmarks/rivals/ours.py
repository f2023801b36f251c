"""radcodec itself, as streams of kind "array": their bytes are those of whole streams, envelope included."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.rivals.base import Unsupported
from benchmarks.types import Array
from radcodec.limits import DEFAULT_EFFORT


class Radcodec:
    """``radcodec.encode``: lossless, or bounded by the absolute error; one thread and output verified by default.

    Sizes are those of the largest effort unless another is named.
    ``preview`` is the share of the stream for quick looks, in percent; the command line's is 1.
    """

    name = "radcodec"

    def __init__(
        self,
        *,
        threads: int = 1,
        verify: bool = True,
        dither: bool = False,
        smallest: bool = False,
        effort: int = 9,
        preview: float = 0.0,
    ) -> None:
        self.threads, self.verify, self.dither, self.smallest = threads, verify, dither, smallest
        self.effort, self.preview = effort, preview
        level = "default" if effort == DEFAULT_EFFORT else f"effort {effort}"
        self.setting = f"{level}, {threads} thread{'s' if threads > 1 else ''}{'' if verify else ', not verified'}"
        self.setting += f", preview {preview:g} %" if preview else ""

    def version(self) -> str:
        from importlib.metadata import version

        import radcodec  # noqa: F401

        return version("radcodec")

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        import radcodec

        options: dict[str, Any] = {"threads": self.threads, "verify": self.verify, "dither": self.dither}
        options |= {"effort": self.effort, "preview": self.preview}
        options["smallest"] = self.smallest and max_error is not None
        return bytes(radcodec.encode(array, max_error=max_error, **options))

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        import radcodec

        return np.asarray(radcodec.decode(data, threads=self.threads))


class RadcodecLossy:
    """radcodec's lossy mode, base layer only: each number of stages, whole streams with their envelope.

    ``model`` is a name or a weights file, None for the default model; files of a model that does not ship decode only
    where RADCODEC_MODELS leads to it.
    """

    name = "radcodec"
    knob = "stages"

    def __init__(self, model: str | None = None, *, threads: int = 1) -> None:
        from radcodec.limits import MAX_STAGES

        self.model, self.threads = model, threads
        self.qualities: tuple[float, ...] = tuple(range(1, MAX_STAGES + 1))

    @cached_property
    def _known(self) -> tuple[str, str]:
        from radcodec.base.store import load_model

        found = load_model(self.model)
        return found.name, found.sha256

    @property
    def variant(self) -> str:
        return self._known[0]

    @property
    def setting(self) -> str:
        return f"model sha256 {self._known[1][:12]}, {self.threads} thread{'s' if self.threads > 1 else ''}"

    def version(self) -> str:
        from importlib.metadata import version

        return version("radcodec")

    def options(self, quality: float) -> dict[str, Any]:
        """Return the options of ``radcodec.encode`` for a quality."""
        return {"lossy_stages": int(quality)}

    def encode(self, array: Array, quality: float) -> bytes:
        import radcodec

        model: Any = self.model  # typed as a path
        try:
            options = self.options(quality)
            return bytes(radcodec.encode(array, model=model, threads=self.threads, verify=False, **options))
        except radcodec.BoundError as err:  # more stages than the model has, or less than its first one takes
            raise Unsupported(str(err)) from err

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        import radcodec

        return np.asarray(radcodec.decode(data, threads=self.threads))


class RadcodecBitRate(RadcodecLossy):
    """The same, asked for a bit-rate, which it does not exceed."""

    knob = "bit-rate"

    def __init__(self, model: str | None = None, *, threads: int = 1) -> None:
        super().__init__(model, threads=threads)
        self.qualities = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)

    def options(self, quality: float) -> dict[str, Any]:
        return {"lossy_bpp": quality}


class RadcodecStep(RadcodecLossy):
    """The same at a fixed step, in units of the noise: what coding costs where no step is searched."""

    knob = "step"

    def encode(self, array: Array, quality: float) -> bytes:
        from dataclasses import replace

        from radcodec.encoding.array_file import encode_array
        from radcodec.encoding.keywords import EncodeKeywords
        from radcodec.encoding.options import Lossy, make_options
        from radcodec.runtime.keywords import fill_in

        given: Any = {"lossy": True, "model": self.model, "threads": self.threads, "verify": False}
        options = make_options(fill_in(EncodeKeywords, given))
        return bytes(encode_array(array, replace(options, fidelity=Lossy(step=quality))).to_bytes())
