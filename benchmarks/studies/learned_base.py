"""Lossless bits per dimension with a learned base: the base's stream and the exact residual, both as coded bytes.

Every base gets the same images in units of their noise and writes a stream. What the stream decodes to is the
prediction p of each sample. The residual is coded in the same way for all bases, and for no base at all (p constant):

8 bits   All images of the MiraBest test batch as one tall image. An image has offset 0 and scale (f + 1/2) / 3, with f
         its faintest level above 0, a byte an image. The difference x - rint(p) modulo 256 goes through
         ``radcodec.encode`` as int8 [N, H, W], and through lossless JPEG XL. x itself goes through tables, one for each
         of 16 bins of p. The smallest of the three counts.
floats   FIRST images one by one, offset and scale in four bytes each. q = rint((x - p) / d), d = s / 256, goes through
         ``radcodec.encode`` as an integer image. Which of the floats of its bin x is goes through constriction; all
         of them count as equally likely.

Each residual is decoded, and x is compared bit for bit.
"""

from __future__ import annotations

import csv
import hashlib
import statistics
import struct
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import machine
from benchmarks.data.datasets import MIRABEST, images, sigma
from benchmarks.rivals.base import Unsupported, pack, unpack
from benchmarks.rivals.lossy import compand, expand
from benchmarks.rivals.registry import all_rivals
from benchmarks.rows import append_row, rows_done
from benchmarks.types import F32, F64, Array

U8 = npt.NDArray[np.uint8]

COLUMNS = (
    "machine", "commit", "set", "file", "data_sha256", "shape", "dtype", "dimensions", "codec", "codec_version", "rate",
    "base_bytes", "residual_bytes", "residual_coder", "bytes", "bits_per_dimension", "status",
)  # fmt: skip
KEY = ("set", "file", "codec", "rate")
NO_BASE = "no base"
WHOLE = ("radcodec", "gzip", "png", "jpeg2000", "jpegxl-e9")
#: Of these, the ones that take 8 bits and no floats.
EIGHT_BIT_ONLY = ("png", "jpeg2000")
#: Bins of the prediction that have a table each.
N_CONTEXTS = 16
#: A float's bin is this share of the noise.
BIN_SHARE = 256
#: Bits of an index within a bin that constriction takes at once.
DIGIT_BITS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A learned codec of images in units of their noise, [H, W]: (stream, what it decodes to) at a rate."""

    codec: str
    version: str
    rates: tuple[float, ...]
    code: Callable[[F64, float], tuple[bytes, F64]]


def picture_base(name: str, rates: tuple[float, ...]) -> Base:
    """Return the VAE or the autoencoder as a base."""
    from benchmarks.rivals.neural.coding import AeCoder, VaeCoder
    from benchmarks.rivals.neural.networks import Vae, load_network
    from benchmarks.rivals.neural.rival import NeuralAe, NeuralVae

    network = load_network(name)
    coder: VaeCoder | AeCoder = VaeCoder(network, plain=True) if isinstance(network, Vae) else AeCoder(network)

    def code(ratio: F64, rate: float) -> tuple[bytes, F64]:
        stream = coder.encode(compand(ratio, 0.0, 1.0), rate)
        return stream, expand(coder.decode(stream, (ratio.shape[0], ratio.shape[1])), 0.0, 1.0)

    return Base(codec=name, version=(NeuralVae if name == "vae" else NeuralAe)().version(), rates=rates, code=code)


def model_base(name: str, rates: tuple[float, ...]) -> Base:
    """Return a base-layer model of radcodec as a base: rates are numbers of stages, or steps."""
    from radcodec.base.store import load_model

    model = load_model(name)

    def code(ratio: F64, rate: float) -> tuple[bytes, F64]:
        shape = (ratio.shape[0], ratio.shape[1])
        codes = model.encode_tile(ratio, 0.0, 1.0, step=rate if model.takes_step else None)
        streams = model.stage_streams(codes, None if model.takes_step else int(rate))
        decoded = model.decode_tile(unpack(packed := pack(*streams)), shape, 0.0, 1.0)
        return packed, decoded

    return Base(codec=name, version=f"sha256 {model.sha256[:12]}", rates=rates, code=code)


def nothing_base() -> Base:
    """Return a base of no bytes."""
    return Base(codec=NO_BASE, version="", rates=(0.0,), code=lambda ratio, _: (b"", np.zeros(ratio.shape)))


#: What makes each base, at the rates that are tried.
BASES: dict[str, Callable[[], Base]] = {
    NO_BASE: nothing_base,
    "vqvae-v1": lambda: model_base("vqvae-v1", (8.0, 4.0, 2.0, 1.0, 0.5)),
    "general-v0": lambda: model_base("general-v0", (1, 3, 4, 5, 8)),
    "vae": lambda: picture_base("vae", (-2.0, 0.0, 2.0, 4.0, 7.0)),
    "ae": lambda: picture_base("ae", (6.0, 3.0, 1.5, 0.5, 0.12)),
}
CODECS = (*WHOLE, *BASES)


def encode_bytes(samples: U8, prediction: F64) -> tuple[bytes, str]:
    """Return the residual stream of 8-bit images [N, H, W], and the coder that won."""
    import radcodec
    from benchmarks.rivals.neural.coding import pack_tables

    whole = np.clip(np.rint(prediction), 0, 255).astype(np.uint8)
    difference = samples - whole
    coded = b"\0" + bytes(radcodec.encode(difference.view(np.int8), threads=1, verify=False))
    groups = contexts(whole)
    parts = [samples.ravel()[groups == group].astype(np.int32)[None] for group in range(N_CONTEXTS)]
    tables = b"\1" + pack(*(pack_tables(part) if part.size else b"" for part in parts))
    candidates = {"radcodec": coded, "tables": tables}
    with suppress(ImportError):
        candidates["jpegxl"] = b"\2" + encode_jpegxl(difference + np.uint8(128))
    return min(((stream, name) for name, stream in candidates.items()), key=lambda item: len(item[0]))


def decode_bytes(stream: bytes, prediction: F64) -> U8:
    """Undo ``encode_bytes``."""
    import radcodec
    from benchmarks.rivals.neural.coding import unpack_tables

    whole = np.clip(np.rint(prediction), 0, 255).astype(np.uint8)
    if stream[0] == 0:
        return np.asarray(radcodec.decode(stream[1:], threads=1)).view(np.uint8) + whole
    if stream[0] == 2:
        return decode_jpegxl(stream[1:]).reshape(whole.shape) - np.uint8(128) + whole
    groups, samples = contexts(whole), np.empty(whole.size, np.uint8)
    for group, part in enumerate(unpack(stream[1:])):
        inside = groups == group
        if part:
            samples[inside] = unpack_tables(part, 1, int(inside.sum()))[0]
    return samples.reshape(whole.shape)


def encode_jpegxl(samples: U8) -> bytes:
    """Encode a stack as one tall image by lossless JPEG XL, effort 9."""
    import imagecodecs

    tall = np.ascontiguousarray(samples.reshape(-1, samples.shape[-1]))
    return bytes(imagecodecs.jpegxl_encode(tall, lossless=True, effort=9, numthreads=1))


def decode_jpegxl(data: bytes) -> U8:
    """Undo ``encode_jpegxl``, [H, W]."""
    import imagecodecs

    return np.asarray(imagecodecs.jpegxl_decode(data, numthreads=1), dtype=np.uint8)


def contexts(whole: U8) -> npt.NDArray[np.int64]:
    """Return the bin of each prediction: 0, 1, 2, 3, then ever wider ones."""
    edges = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192]
    return np.asarray(np.searchsorted(edges, whole.ravel(), side="right"), dtype=np.int64)


def ordered(values: F32) -> npt.NDArray[np.int64]:
    """Map finite floats to whole numbers in their order, neighbours one apart; -0 is one below +0."""
    bits = values.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF) - 1, bits)


def unordered(numbers: npt.NDArray[np.int64]) -> F32:
    """Undo ``ordered``."""
    bits = np.where(numbers < 0, (-(numbers + 1)) | 0x80000000, numbers)
    return np.asarray(bits.astype(np.uint32).view(np.float32))


def bins(prediction: F64, which: npt.NDArray[np.int64], width: float) -> tuple[npt.NDArray[np.int64], Any]:
    """Return the first float of each bin, as a number of ``ordered``, and how many floats there are."""
    edges = [ordered((prediction + (which + half) * width).astype(np.float32)) for half in (-0.5, 0.5)]
    # A float of the neighbouring bin at either end: x may have been rounded to an edge.
    return edges[0] - 1, edges[1] - edges[0] + 3


def encode_floats(samples: F32, prediction: F64, width: float) -> bytes:
    """Return the residual stream of finite floats [H, W]."""
    import constriction

    import radcodec
    from benchmarks.rivals.neural.coding import ans_bytes

    which = np.rint((samples.astype(np.float64) - prediction) / width).astype(np.int64)
    if np.abs(which).max() >= 1 << 31:
        raise Unsupported("more than 31 bits of residual")
    small = which.astype(np.int16 if np.abs(which).max() < 1 << 15 else np.int32)
    first, count = bins(prediction, which, width)
    place = (ordered(samples) - first).ravel()
    if bool((place < 0).any()) or bool((place >= count.ravel()).any()):
        raise Unsupported("bins finer than the prediction's own rounding")
    shift, sizes = _digits(count.ravel())
    ans = constriction.stream.stack.AnsCoder()
    family = constriction.stream.model.Uniform()
    deep = shift > 0
    ans.encode_reverse((place & ((1 << shift) - 1))[deep].astype(np.int32), family, (1 << shift[deep]).astype(np.int32))
    ans.encode_reverse((place >> shift).astype(np.int32), family, sizes)
    return pack(bytes(radcodec.encode(small, threads=1, verify=False)), ans_bytes(ans))


def decode_floats(stream: bytes, prediction: F64, width: float) -> F32:
    """Undo ``encode_floats``."""
    import constriction

    import radcodec
    from benchmarks.rivals.neural.coding import ans_decoder

    image, coded = unpack(stream)
    which = np.asarray(radcodec.decode(image, threads=1)).astype(np.int64)
    first, count = bins(prediction, which, width)
    shift, sizes = _digits(count.ravel())
    ans, family, deep = ans_decoder(coded), constriction.stream.model.Uniform(), shift > 0
    place = np.asarray(ans.decode(family, sizes)).astype(np.int64) << shift
    place[deep] += np.asarray(ans.decode(family, (1 << shift[deep]).astype(np.int32)))
    return unordered(first + place.reshape(first.shape))


def _digits(count: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Split numbers below ``count``: bits of the low digit, and how many values the high digit has, at least 2."""
    shift = np.maximum(np.frexp(count.astype(np.float64))[1] - DIGIT_BITS, 0).astype(np.int64)
    return shift, np.maximum(-(-count // (1 << shift)), 2).astype(np.int32)


def eight_bit_cells(base: Base, samples: U8, rate: float) -> dict[str, object]:
    """Measure a base on all 8-bit images."""
    faintest = np.array([image[image > 0].min() if image.any() else 1 for image in samples], np.uint8)
    scale = ((faintest + 0.5) / 3.0)[:, None, None]
    stream, decoded = base.code((samples / scale).reshape(-1, samples.shape[-1]), rate)
    prediction = decoded.reshape(samples.shape) * scale
    residual, coder = encode_bytes(samples, prediction)
    exact = np.array_equal(decode_bytes(residual, prediction), samples)
    side = faintest.size if base.codec != NO_BASE else 0
    return size_cells(len(stream) + side, len(residual), coder, samples.size, exact=exact)


def float_cells(base: Base, samples: F32, rate: float) -> dict[str, object]:
    """Measure a base on one image of floats."""
    head = struct.pack("<ff", np.median(samples), sigma(samples))
    median, noise = struct.unpack("<ff", head)
    stream, decoded = base.code((samples.astype(np.float64) - median) / noise, rate)
    prediction, width = median + noise * decoded, noise / BIN_SHARE
    residual = encode_floats(samples, prediction, width)
    exact = np.array_equal(decode_floats(residual, prediction, width).view(np.uint32), samples.view(np.uint32))
    return size_cells(len(stream) + len(head), len(residual), "radcodec and bins", samples.size, exact=exact)


def size_cells(base: int, residual: int, coder: str, dimensions: int, *, exact: bool) -> dict[str, object]:
    """Return the measured cells of a row."""
    return {
        "base_bytes": base, "residual_bytes": residual, "residual_coder": coder, "bytes": base + residual,
        "bits_per_dimension": f"{8 * (base + residual) / dimensions:.5f}",
        "status": "ok" if exact else "demand not met",
    }  # fmt: skip


def whole_cells(codec: str, samples: Array) -> tuple[str, dict[str, object]]:
    """Return version and cells of a codec that takes the unchanged image.

    8-bit stacks are one tall image, but not for radcodec.
    """
    if codec == "png":
        import imagecodecs

        tall = samples.reshape(-1, samples.shape[-1])
        coded = bytes(imagecodecs.png_encode(tall, level=9))
        back, version = np.asarray(imagecodecs.png_decode(coded)), str(imagecodecs.png_version())
        return version, size_cells(0, len(coded), codec, samples.size, exact=np.array_equal(back, tall))
    rival = all_rivals()[codec]
    coded = rival.encode(samples, max_error=None)
    back = rival.decode(coded, shape=samples.shape, dtype=samples.dtype)
    exact = back.dtype == samples.dtype and np.asarray(back).tobytes() == samples.tobytes()
    return rival.version(), size_cells(0, len(coded), codec, samples.size, exact=exact)


def run_lossless(
    *, data: Path, sets: Sequence[str], every: int, codecs: Sequence[str], out: Path, commit: str
) -> list[str]:
    """Add the rows of codecs that ``out`` lacks; gives Markdown lines that sum all of them up."""
    done, compared = rows_done(out, KEY), [BASES[name]() for name in BASES if name in codecs] if sets else []
    for chosen, file, sha256, samples in chosen_images(data, sets, every):
        known: dict[str, object] = {
            "machine": machine.system(), "commit": commit, "set": chosen, "file": file, "data_sha256": sha256,
            "shape": "x".join(map(str, samples.shape)), "dtype": str(samples.dtype), "dimensions": samples.size,
        }  # fmt: skip
        for codec in (name for name in WHOLE if name in codecs):
            if (chosen, file, codec, "") in done or (codec in EIGHT_BIT_ONLY and samples.dtype != np.uint8):
                continue
            try:
                version, cells = whole_cells(codec, samples)
            except ImportError as err:
                print(f"missing: {codec} ({err})", file=sys.stderr)
                continue
            append_row(out, COLUMNS, known | {"codec": codec, "codec_version": version, "rate": ""} | cells)
        for base in compared:
            for rate in base.rates:
                if (chosen, file, base.codec, f"{rate:g}") in done:
                    continue
                measure = eight_bit_cells if samples.dtype == np.uint8 else float_cells
                cells = measure(base, samples, rate)
                named = {"codec": base.codec, "codec_version": base.version, "rate": f"{rate:g}"}
                append_row(out, COLUMNS, known | named | cells)
    if not out.exists():
        return []
    with out.open(newline="", encoding="utf-8") as rows:
        return sum_up(csv.DictReader(rows))


def chosen_images(data: Path, sets: Iterable[str], every: int) -> Iterator[tuple[str, str, str, Any]]:
    """Yield set, file, SHA-256 and samples of all that is coded at once; of FITS sets every so many images."""
    for chosen in sets:
        found = images(data, chosen)
        if chosen == MIRABEST:
            batch = np.stack([image.samples for image in found])
            yield chosen, MIRABEST, hashlib.sha256(batch.tobytes()).hexdigest(), batch
            continue
        for image in islice(found, 0, None, every):
            if image.samples.dtype == np.float32 and image.samples.ndim == 2 and np.isfinite(image.samples).all():
                yield chosen, image.file, image.sha256, image.samples


def sum_up(rows: Iterable[dict[str, str]]) -> list[str]:
    """Make a table for each set: mean bits per dimension of each codec at its best rate, and at all rates."""
    found: dict[str, dict[str, dict[str, list[tuple[float, float]]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for row in rows:
        if row["status"] == "ok":
            pair = float(row["bits_per_dimension"]), 8 * float(row["base_bytes"]) / float(row["dimensions"])
            found[row["set"]][row["codec"]][row["rate"]].append(pair)
    lines: list[str] = []
    for chosen, by_codec in found.items():
        lines += [
            f"**{chosen}**", "", "| codec | best rate | base | base + residual | files | all rates |",
            "|---|---:|---:|---:|---:|---|",
        ]  # fmt: skip
        for codec, by_rate in by_codec.items():
            # A rate that not all images have yet is no mean of the set.
            most = max(map(len, by_rate.values()))
            means = {
                rate: statistics.mean(bits for bits, _ in pairs)
                for rate, pairs in by_rate.items()
                if len(pairs) == most
            }
            best = min(means, key=lambda rate: means[rate])
            base = statistics.mean(bits for _, bits in by_rate[best])
            every = ", ".join(f"{rate}: {bits:.3f}" for rate, bits in means.items()) if len(means) > 1 else ""
            lines.append(f"| {codec} | {best or '-'} | {base:.3f} | {means[best]:.3f} | {most} | {every} |")
        lines.append("")
    return lines
