"""The known answer of lapped and trellis models, by which a machine shows that it computes as the format says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from radcodec.base import answer
from radcodec.base.lapped import transform
from radcodec.base.lapped.codes import LappedCodes

if TYPE_CHECKING:
    from radcodec.base.lapped.model import LappedModel

SHAPE = (21, 38)


def known_answer(model: LappedModel) -> str:
    """Return the SHA-256 of the streams and pixels of fixed pseudo-random coefficients."""
    return hash_answer(model, fixed_codes())


def fixed_codes() -> Iterator[LappedCodes]:
    """Yield codes of pseudo-random coefficients, for two block codes."""
    states = answer.draw_states()
    for code in (0, 1):
        g = transform.geometry_of(SHAPE, code)
        signed = np.zeros((g.rows, g.columns, g.height, g.width), np.int32)
        flat = signed.reshape(-1)
        for i in range(flat.size):
            state = next(states)
            flat[i] = ((state >> 9) % 64) * (1 if state >> 31 else -1) if (state >> 16) % 8 == 0 else 0
        yield LappedCodes(shape=SHAPE, code=code, last=8, gain=77, offsets=(3, -2), coefficients=signed)


def hash_answer(model: LappedModel, tiles: Iterable[LappedCodes], before: bytes = b"") -> str:
    """Return the SHA-256 of ``before``, then of each tile's pixels, from all streams and from two, and its streams."""
    digest = hashlib.sha256(before)
    for codes in tiles:
        streams = model.stage_streams(codes)
        for n in (len(streams), 2):
            again, left_out = model.read_codes(streams[:n], SHAPE)
            digest.update(model.companded(again, left_out).astype("<i4").tobytes())
        for stream in streams:
            digest.update(len(stream).to_bytes(4, "little") + stream)
    return digest.hexdigest()


def check_answer(model: LappedModel, found: str, expected: str) -> None:
    """Check the answer that a model gives here against the one stored with it; raises ModelMismatchError."""
    advice = "this machine or build does not compute what the format says: report it"
    answer.check_answer(model.name, found, expected, advice)
