"""Mutants of streams, read without container and checksums: ``python tests/corruption/streams.py N SECONDS``.

Reads N mutants of detail streams and of base streams of lapped models, or as many as SECONDS (if given) allow. Prints
how many were read and accepted. A mutant may be rejected; anything else that it raises is an error. A core that is
compiled with sanitizers ends the process where an index is out of bounds.
"""

from __future__ import annotations

import random
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from corruption.samples import read

import radcodec
from radcodec import detail
from radcodec.base.lapped.model import LappedModel
from radcodec.base.trellis.model import TrellisModel
from radcodec.errors import CorruptError, FormatError, ModelError

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "files"
MOST_SAMPLES = 1 << 14  # of a tile: larger ones take long and reach nothing else
ENDS = (0, 1, 63, 64, 127, 128, 254, 255)
Job = tuple[bytes, Callable[[bytes], Any]]


def collect() -> list[Job]:
    """The streams that decoding the golden files reads, and how each is read."""
    jobs: list[Job] = []
    own_detail = detail.decode_tile

    def decode_tile(stream: bytes, shape: tuple[int, int, int], *rest: Any) -> Any:
        if shape[0] * shape[1] * shape[2] <= MOST_SAMPLES:
            jobs.append((bytes(stream), lambda data: own_detail(data, shape, *rest)))
        return own_detail(stream, shape, *rest)

    def noting(own_codes: Callable[..., Any]) -> Callable[..., Any]:
        def read_codes(model: LappedModel, streams: list[bytes], shape: tuple[int, int]) -> Any:
            for i, stream in enumerate(streams):
                others = list(streams)

                def use(data: bytes, i: int = i, others: list[bytes] = others) -> Any:
                    return model.companded(*own_codes(model, [*others[:i], data, *others[i + 1 :]], shape))

                jobs.append((bytes(stream), use))
            return own_codes(model, streams, shape)

        return read_codes

    with ExitStack() as stack:
        stack.enter_context(patch.object(detail, "decode_tile", decode_tile))
        for kind in (LappedModel, TrellisModel):
            stack.enter_context(patch.object(kind, "read_codes", noting(kind.read_codes)))
        for path in sorted(GOLDEN.glob("*.rcz")):
            with suppress(FormatError, ModelError):
                read(path.read_bytes())
    return jobs


def mutate(rng: random.Random, stream: bytes) -> bytes:
    """A stream with some bytes changed; half of the time among those of its fields."""
    data = bytearray(stream)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        if not data:
            data = bytearray(rng.randbytes(rng.randrange(1, 40)))
        at = rng.randrange(min(len(data), 40) if rng.random() < 0.5 else len(data))
        kind = rng.randrange(6)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice(ENDS)
        elif kind == 2:
            data[at : at + 8] = rng.randbytes(min(8, len(data) - at))
        elif kind == 3:
            data[at:] = rng.randbytes(len(data) - at)
        elif kind == 4:
            del data[at : at + rng.randrange(1, 9)]
        else:
            data[at:at] = rng.randbytes(rng.randrange(1, 9))
    return bytes(data)


def main(count: int, seconds: float = float("inf")) -> None:
    """Read mutants and print how many were read and accepted."""
    warnings.simplefilter("ignore")
    rng, jobs = random.Random(14), collect()
    end = time.monotonic() + seconds
    done = accepted = 0
    while done < count and time.monotonic() < end:
        stream, use = rng.choice(jobs)
        mutant = mutate(rng, stream)
        done += 1
        try:
            use(mutant)
            accepted += 1
        except CorruptError:
            continue
        except Exception:
            print(f"mutant {done}: {mutant.hex()}", file=sys.stderr)
            raise
    print(f"{len(jobs)} streams of radcodec {radcodec.__version__}: {done} mutants read, {accepted} accepted")


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(float, sys.argv[2:]))
