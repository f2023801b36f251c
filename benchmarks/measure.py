"""One codec on one image: bytes, error, time; each decode is checked."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from benchmarks.rivals.base import Rival
from benchmarks.types import Array

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """``max_error`` and ``rmse`` are over finite samples, in the stored unit. ``holds`` says whether the result is bit
    for bit equal, or within the bound without tolerance and with exact non-finite samples."""

    size_bytes: int
    max_error: float
    rmse: float
    holds: bool
    encode_s: float
    decode_s: float


def timed(call: Callable[[], T], repeats: int) -> tuple[T, float]:
    """Return what the last call gave, and the median time of all calls in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return result, statistics.median(times)


def measure(rival: Rival, samples: Array, *, max_error: float | None, repeats: int = 1) -> Measurement:
    """Measure bytes, error and median times of one codec on one image."""
    coded, encode_s = timed(lambda: rival.encode(samples, max_error=max_error), repeats)
    decoded, decode_s = timed(lambda: rival.decode(coded, shape=samples.shape, dtype=samples.dtype), repeats)
    finite = np.isfinite(samples)
    difference = np.abs(decoded[finite].astype(np.float64) - samples[finite].astype(np.float64))
    same_type = decoded.dtype == samples.dtype
    if max_error is None:
        holds = same_type and decoded.tobytes() == samples.tobytes()
    else:
        specials_kept = same_type and decoded[~finite].tobytes() == samples[~finite].tobytes()
        holds = bool((difference <= max_error).all()) and (specials_kept or bool(finite.all()))
    return Measurement(
        size_bytes=len(coded),
        max_error=float(difference.max(initial=0.0)),
        rmse=float(np.sqrt(np.mean(difference**2))) if difference.size else 0.0,
        holds=holds,
        encode_s=encode_s,
        decode_s=decode_s,
    )
