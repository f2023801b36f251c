"""Load trellis models, and check that this machine computes as the format says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from radcodec.base.lapped import transform
from radcodec.base.lapped.answer import check_answer, fixed_codes, hash_answer, known_answer
from radcodec.base.lapped.codes import LappedCodes
from radcodec.base.trellis.model import TrellisModel
from radcodec.base.trellis.weights import unpack_model


def trellis_answer(model: TrellisModel) -> str:
    """Return the SHA-256 of what both ways of coding give for fixed pseudo-random coefficients, and atoms if any."""
    return hash_answer(model, _fixed_tiles(model), known_answer(model.scalar).encode())


def _fixed_tiles(model: TrellisModel) -> Iterator[LappedCodes]:
    codes = None
    for given in fixed_codes():
        codes = model._coded(given, transform.geometry_of(given.shape, given.code), given.coefficients)
        yield codes
    if model.book is not None and codes is not None:
        n_atoms, n_levels = len(model.book.samples), len(model.book.levels)
        atom = [9, 31, n_atoms - 1, n_levels // 2]
        yield replace(codes, atoms=np.array([atom], np.int32))


def load_bytes(data: bytes, where: str) -> TrellisModel:
    """Load the model in the bytes of a weights file and check its known answer.

    Raises
    ------
    ModelMismatchError
        The bytes are not a trellis model, or this machine's arithmetic is not exact.
    """
    spec, arrays, wide, expected = unpack_model(data, where)
    model = TrellisModel(spec, arrays, wide, hashlib.sha256(data).hexdigest())
    check_answer(model, trellis_answer(model), expected)
    return model
