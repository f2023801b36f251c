"""Load lapped models, and check that this machine computes as the format says."""

from __future__ import annotations

import hashlib

from radcodec.base.lapped.answer import check_answer, known_answer
from radcodec.base.lapped.model import LappedModel
from radcodec.base.lapped.weights import unpack_model


def load_bytes(data: bytes, where: str) -> LappedModel:
    """Load the model in the bytes of a weights file and check its known answer.

    Raises
    ------
    ModelMismatchError
        The bytes are not a lapped model, or this machine's arithmetic is not exact.
    """
    spec, arrays, expected = unpack_model(data, where)
    model = LappedModel(spec, arrays, hashlib.sha256(data).hexdigest())
    check_answer(model, known_answer(model), expected)
    return model
