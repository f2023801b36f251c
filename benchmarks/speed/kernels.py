"""The passes over a tile, alone: CPU nanoseconds and cycles a pixel, beside what the machine can do at most.

A simulated tile is modelled with predictors of several radii, as floats (lossless) and as steps (bounded). The passes
of encoder and decoder are called as the library calls them, with nothing else, on one thread. A row has the least of
``--repeat`` calls. ``peak.c`` is compiled by the machine's C compiler. It says how long a cycle is, and how long the
products and sums of the taps take at least: ``peak_cycles`` is that time for a pixel's taps and its error context. The
rest of a pass is the wait from sample to sample.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import machine
from benchmarks.data.datasets import sigma
from benchmarks.rows import append_row, rows_done
from benchmarks.types import Array, Cells, Row

if TYPE_CHECKING:
    from radcodec.detail.learned import Modelled
    from radcodec.detail.predictors import Predictors
    from radcodec.detail.prepare import Work

COLUMNS = (
    "machine", "commit", "kernel", "variant", "radius", "taps", "pixels", "status", "ns_per_pixel", "cycles_per_pixel",
    "peak_cycles", "ghz", "repeats",
)  # fmt: skip
KEY = ("kernel", "variant", "radius")
SEED, SIDE = 20, 512
CONTEXT = 28  # products of the error context of a sample
CHAIN_CYCLES = 3  # of a dependent integer product
RADII = (4, 8, 12, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Nanoseconds of a cycle, and of a product with its sum in one lane of the widest plain registers."""

    cycle_ns: float
    product_ns: float


def least_ns(call: Callable[[], object], repeats: int) -> float:
    """Return the least CPU nanoseconds of some calls."""
    found = []
    for _ in range(repeats):
        start = time.thread_time_ns()
        call()
        found.append(time.thread_time_ns() - start)
    return float(min(found))


def measure_peak(repeats: int) -> Peak:
    """Compile and time ``peak.c``; raises SystemExit where the machine has no C compiler."""
    from radcodec.native.compiling import find_compiler
    from radcodec.runtime.native import core

    compiler = find_compiler()
    if compiler is None:
        raise SystemExit("kernels: expected a C compiler (cc, gcc or clang), found none")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "peak.so"
        source = Path(__file__).with_name("peak.c")
        flags = ["-O2", "-ffp-contract=off", "-fPIC", "-shared", *(["-mavx2"] if core().variant != "base" else [])]
        subprocess.run([*compiler, *flags, str(source), "-o", str(out)], check=True)
        library = ctypes.CDLL(str(out))
    library.chain.argtypes, library.chain.restype = (ctypes.c_int64, ctypes.c_uint64), ctypes.c_uint64
    library.products.argtypes, library.products.restype = (ctypes.c_int64, ctypes.c_double), ctypes.c_double
    n, sums, lanes = 1 << 18, 8, int(library.peak_lanes())
    chain = least_ns(lambda: library.chain(n, 0x9E3779B97F4A7C15), repeats)
    products = least_ns(lambda: library.products(n, 1.0), repeats)
    return Peak(cycle_ns=chain / (4 * n * CHAIN_CYCLES), product_ns=products / (n * sums * lanes))


def model_tile(samples: Array, error: float | None, radius: int) -> tuple[Predictors, Work, Modelled]:
    """Fit a predictor of at most a radius to a tile, and model the tile with it; ``error`` None is lossless."""
    from radcodec import detail
    from radcodec.detail.learned import model
    from radcodec.detail.maps import TileBound
    from radcodec.detail.prepare import prepare
    from radcodec.types import SampleType

    tile = samples[None]
    block = detail.fit_image(tile, None, error, SampleType.F4, max_radius=radius, effort=8)
    predictors = detail.load_predictors(block)
    assert predictors is not None
    work = prepare(tile, None, None if error is None else TileBound(error=error), predictors)
    assert work is not None
    done = model(None, predictors, work)
    assert done is not None
    return predictors, work, done


def passes_of(predictors: Predictors, work: Work, done: Modelled) -> Iterator[tuple[str, Callable[[], int]]]:
    """Yield name and call of both passes over a tile; calls give a status."""
    from radcodec.coding.ans import encode_symbols
    from radcodec.detail import kernels, passes
    from radcodec.detail.maps import MapKind

    taps, how, shape = predictors.predictors[0].taps, work.how, work.values.shape
    assert taps is not None
    setting = passes.Setting(
        level=done.level, clamp=done.clamp, z=how.z, mantissa=how.mantissa, fill=how.fill(predictors.fill)
    )
    tile = passes.TilePass(shape, None, taps, setting)
    size = work.values.size
    out = passes.SymbolBuffers(
        tables=np.empty(size, np.uint16), symbols=np.empty(size, np.uint8),
        raw=np.zeros(8 * size + kernels.RAW_SPARE, np.uint8),
    )  # fmt: skip
    words = np.empty(size + 2, np.uint32)
    n_words = encode_symbols(done.symbols, done.tables, predictors.tables.cumulative[0], words)
    streams = passes.TileStreams(
        cumulative=predictors.tables.cumulative[0], starts=predictors.tables.starts[0], words=words[:n_words],
        raw=np.concatenate([done.raw, np.zeros(kernels.RAW_SPARE, np.uint8)]), n_bits=8 * done.raw.size,
    )  # fmt: skip
    nothing = np.empty((0, 0, 0))
    if how.kind is MapKind.FLOAT:
        floats = np.empty(shape)
        yield "encode floats", lambda: passes.encode_float(tile, work.values, out)[0]
        yield "decode floats", lambda: passes.decode_float(tile, streams, floats)
        return
    steps, targets, loop = np.empty(shape, np.int64), work.targets, how.kind is MapKind.LOOP
    given = work.values.copy()
    kind = "steps, each near its prediction" if loop else "steps"
    yield (
        f"encode {kind}",
        lambda: passes.encode_int(tile, given, nothing if targets is None else targets, nothing, nothing, out)[0],
    )
    yield f"decode {kind}", lambda: passes.decode_int(tile, streams, nothing, nothing, loop, steps)


def run_kernels(*, radii: Sequence[int], repeats: int, out: Path, commit: str) -> list[str]:
    """Measure both passes of both modes at some radii, and return a line on each row that is new."""
    from radcodec.runtime.native import core
    from radcodec.simulate import simulate_image

    samples, peak, lines = simulate_image((SIDE, SIDE), seed=SEED), measure_peak(repeats), []
    done, variant = rows_done(out, KEY), core().variant
    for error in (None, sigma(samples) / 8):
        for radius in radii:
            predictors, work, modelled = model_tile(samples, error, radius)
            found = predictors.predictors[0].radius
            for name, call in passes_of(predictors, work, modelled):
                if (name, variant, str(found)) in done:
                    continue
                done.add((name, variant, str(found)))
                status = call()
                row = cells_of(name, found, status, least_ns(call, repeats) / samples.size, peak)
                known = {"machine": machine.system(), "commit": commit, "variant": variant, "pixels": samples.size}
                append_row(out, COLUMNS, known | {"repeats": repeats} | row)
                lines.append(
                    f"{name:42} radius {found:2} {row['ns_per_pixel']:>7} ns {row['cycles_per_pixel']:>7} cycles"
                )
    return lines


def cells_of(name: str, radius: int, status: int, ns: float, peak: Peak) -> Cells:
    """Return the measured cells of a row."""
    taps = 2 * radius * (radius + 1)
    return {
        "kernel": name, "radius": radius, "taps": taps, "status": "ok" if status == 0 else f"status {status}",
        "ns_per_pixel": f"{ns:.2f}", "cycles_per_pixel": f"{ns / peak.cycle_ns:.1f}",
        "peak_cycles": f"{(taps + CONTEXT) * peak.product_ns / peak.cycle_ns:.1f}", "ghz": f"{1 / peak.cycle_ns:.3f}",
    }  # fmt: skip


def kernel_lines(rows: Sequence[Row]) -> list[str]:
    """Make the table of docs/native.md: cycles a pixel of each pass, and those of its taps at the machine's peak."""
    lines = [
        "| pass | radius | taps | ns a pixel | cycles a pixel | of these, products and sums at the peak |",
        "|---|" + "---:|" * 5,
    ]
    for row in sorted(rows, key=lambda row: (row["kernel"], int(row["radius"]))):
        cells = (row[name] for name in ("kernel", "radius", "taps", "ns_per_pixel", "cycles_per_pixel", "peak_cycles"))
        lines.append(f"| {' | '.join(cells)} |")
    return lines
