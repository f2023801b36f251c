"""Mutants read by radcodec and by the reference decoder: ``python tests/corruption/both.py FIRST COUNT``.

A process of its own, because a mutant may crash it. The number of each mutant is printed before it is read; at the end
comes one line of JSON: how many were accepted and rejected, and the mutants on which the two disagree.
"""

from __future__ import annotations

import io
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import reference_decoder as ref
from corruption.long_files import as_long
from corruption.mutants import mutate
from corruption.samples import SAMPLES, image_with_specials, ordinary_files, read, same, sample
from late_files import as_late

import radcodec
import radcodec.decoding.image
import radcodec.decoding.restore
from radcodec.container.writer import cut_base_copy
from radcodec.decoding.rcz_file import open_reader
from radcodec.simulate import simulate_fits, simulate_image

CHECKS_OF_PIXELS = ("pixel CRC of a tile", "SHA-256 of what is restored")
LIMIT_S = 20.0  # the network of a base layer, on a busy machine


def lattice() -> bytes:
    """An image of rounded multiples of a step (map 1)."""
    image = simulate_image((16, 20), seed=41).astype("f8")
    return radcodec.encode((np.round(image / 9e-5) * 9e-5 + 1e-6).astype("f4"))


def copy_of(name: str) -> bytes:
    """A base-only copy."""
    with ExitStack() as stack:
        return cut_base_copy(open_reader(sample(name), stack), 16)


def two_images() -> bytes:
    """A FITS file of two image HDUs, one of integers with BLANK, bounded in sigma."""
    first, second = simulate_fits((9, 11), seed=43), simulate_fits((10, 8), seed=44, bitpix=16)
    header = second[:2880].replace(b"SIMPLE  =                    T", b"XTENSION= 'IMAGE   '          ", 1)
    out = io.BytesIO()
    radcodec.compress(io.BytesIO(first + header + second[2880:]), out, max_error="0.3sigma", preview=0)
    return out.getvalue()


def boxes(**options: Any) -> bytes:
    """A cube of two leading axes whose tiles are cut along every axis but one."""
    cube = np.stack([simulate_image((6, 9), seed=60 + plane) for plane in range(15)]).reshape(5, 3, 6, 9)
    return radcodec.encode(cube, tile=(5, 4, 3, 2), **options)


def long_lossy() -> bytes:
    """A lossy array as it is where a writer makes no short file."""
    name = radcodec.open(sample("array_lossy")).info.model
    assert name is not None
    return as_long(sample("array_lossy"), (name["name"], bytes.fromhex(name["sha256"])))


MORE: dict[str, Callable[[], bytes]] = {
    "lattice": lattice,
    "f8": lambda: radcodec.encode(image_with_specials().astype("f8") * 1e-40),
    "f8_bounded": lambda: radcodec.encode(simulate_image((12, 13), seed=45).astype("f8"), max_error="0.2localsigma"),
    "few": lambda: radcodec.encode(np.arange(12, dtype="i8").reshape(3, 4)),
    "repeats": lambda: radcodec.encode(np.tile(simulate_image((3, 16), seed=46), (4, 1))),
    "scalar": lambda: radcodec.encode(np.float32(1.5)),
    "empty": lambda: radcodec.encode(np.zeros((3, 0, 2), "u2")),
    "copy_preview": lambda: copy_of("fits_preview"),
    "copy_on_base": lambda: copy_of("array_on_base"),
    "copy_short": lambda: copy_of("array_lossy"),
    "long_lossy": long_lossy,
    "two_images": two_images,
    "late": lambda: as_late(sample("fits_scaled")),
    "late_sets": lambda: as_late(boxes(), split_sets=True),
    "late_base": lambda: as_late(sample("array_on_base")),
    "late_two_images": lambda: as_late(two_images()),
    "boxes": boxes,
    "boxes_bounded": lambda: boxes(max_error="0.3sigma", preview=30),
}
COMPACT: dict[str, Callable[[], bytes]] = {
    "compact": lambda: radcodec.encode(image_with_specials()),
    "compact_bounded": lambda: radcodec.encode(image_with_specials(), max_error="0.25localsigma", dither=True),
}
NAMES = (*SAMPLES, *MORE, *COMPACT)


@cache
def seed_file(name: str) -> bytes:
    """A sound file to make mutants of."""
    if name in COMPACT:
        return COMPACT[name]()
    with ordinary_files():
        return MORE[name]() if name in MORE else sample(name)


@contextmanager
def without_pixel_checks() -> Iterator[None]:
    """Both decoders look away from pixel CRCs and the SHA-256 of the whole, so that what is behind them is seen."""
    own = ref.need

    def need(condition: bool, what: str) -> None:
        if what not in CHECKS_OF_PIXELS:
            own(condition, what)

    with ExitStack() as stack:
        stack.enter_context(patch.object(ref, "need", need))
        stack.enter_context(patch.object(radcodec.decoding.image, "_has_checksum", lambda *_: True))
        stack.enter_context(patch.object(radcodec.decoding.restore, "_check_digest", lambda *_: None))
        yield


def by_radcodec(data: bytes) -> tuple[Any, str]:
    """What radcodec restores, or None and its error."""
    try:
        return read(data), ""
    except (radcodec.FormatError, radcodec.ModelError) as err:
        return None, f"{type(err).__name__}: {err}"


def by_reference(data: bytes) -> tuple[Any, str]:
    """What the reference decoder restores, or None and its error."""
    try:
        return ref.decode_file(data), ""
    except ref.RejectError as err:
        return None, f"RejectError: {err}"


def disagreement(data: bytes) -> tuple[bool, str]:
    """Whether radcodec accepts a mutant, and how the two decoders disagree on it, "" where they do not."""
    try:
        ours, our_error = by_radcodec(data)
        theirs, their_error = by_reference(data)
    except Exception as err:
        return False, f"a foreign exception: {err!r}"
    if (ours is None) != (theirs is None):
        return ours is not None, f"radcodec: {our_error or 'accepts'} | reference: {their_error or 'accepts'}"
    if ours is not None and not same(ours, theirs):
        return True, "different pixels"
    return ours is not None, ""


def use_everything(data: bytes, looked_away: bool) -> str:
    """How reading parts of a mutant goes wrong: only typed errors may come of it; "" where it goes well."""
    out = io.BytesIO()
    uses: tuple[Callable[[], object], ...] = (
        lambda: radcodec.decode(data),
        lambda: radcodec.decompress(io.BytesIO(data), out),
        lambda: radcodec.verify(io.BytesIO(data)),
        lambda: radcodec.open(data).info.to_dict(),
        lambda: radcodec.open(data)[..., :2],
        lambda: radcodec.preview(io.BytesIO(data)),
        lambda: radcodec.cutout(io.BytesIO(data), io.BytesIO(), "0:2,0:1"),
    )
    for number, use in enumerate(uses):
        try:
            use()
        except radcodec.RadcodecError:
            continue
        except Exception as err:
            if number == 4 and isinstance(err, IndexError):  # a scalar has no axis to take a slice of
                continue
            return f"use {number}{' without pixel checks' if looked_away else ''}: {err!r}"
    return ""


def main(first: int, count: int) -> None:
    """Read mutants ``first`` to ``first + count`` and print what came of it."""
    found: list[dict[str, str]] = []
    accepted = 0
    for number in range(first, first + count):
        print(number, file=sys.stderr, flush=True)
        rng = random.Random(number)
        name = NAMES[number % len(NAMES)]
        data = mutate(rng, seed_file(name))
        start = time.process_time()
        with without_pixel_checks():
            taken, wrong = disagreement(data)
        accepted += taken
        if not wrong and (taken or number % 4 == 0):
            _, wrong = disagreement(data)
        if not wrong and number % 8 == 0:
            with without_pixel_checks():
                wrong = use_everything(data, looked_away=True)
        seconds = time.process_time() - start
        if not wrong and seconds > LIMIT_S:
            wrong = f"{seconds:.1f} s"
        if wrong:
            found.append({"number": str(number), "name": name, "wrong": wrong, "data": data.hex()})
            print(f"{number} ({name}): {wrong}", file=sys.stderr, flush=True)
    print(json.dumps({"accepted": accepted, "rejected": count - accepted, "found": found}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
