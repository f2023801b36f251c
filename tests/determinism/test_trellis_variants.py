"""Each variant of the native core finds the same path through the trellis, and the same inputs of the network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from radcodec.base.lapped import planes, transform
from radcodec.base.lapped.codes import empty_codes
from radcodec.base.store import load_model
from radcodec.base.trellis.model import TrellisModel
from radcodec.base.trellis.planes import CODE, TrellisWalk
from radcodec.runtime import native

STEP = 0.4


def digest_of(shape: tuple[int, int], code: int) -> str:
    """Digest of path, streams and inputs of a tile of noise with a source in it."""
    model = load_model("vqvae-v1")
    assert isinstance(model, TrellisModel)
    values = np.random.default_rng(5).normal(size=shape)
    values[20:24, 30:33] += 9.0
    g = transform.geometry_of(shape, code)
    head = replace(empty_codes(shape, STEP), code=code)
    steps = np.asarray(transform.analyse(values, g, STEP) / head.step, np.float32)
    steps[:, :, g.height * 3 // 4 :] *= 0.2  # cells without anything
    found = model.assign(head, steps, 0.1)
    sizes, sign = np.abs(found.coefficients), np.sign(found.coefficients).astype(np.int8)
    inputs = np.zeros((sizes.size // 2, 44), np.int16)
    coder = planes.Coder(model.cumulative, room=sizes.size)
    TrellisWalk(model._wide_network, coder, g).walk(CODE, (head.last, 0), (sizes >> 1, sizes, sign), inputs=inputs)
    other = model.scalar._quantise(head, steps)[0]
    parts = [found.coefficients, found.values, inputs, other.coefficients]
    parts += [np.frombuffer(body, np.uint8) for body in (*found.bodies, *model.scalar.stage_streams(other))]
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


@pytest.mark.parametrize(("shape", "code"), [((128, 190), 0), ((128, 190), 2), ((75, 66), 6)])
def test_variants_agree(shape: tuple[int, int], code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers of 128, 256 and 512 bits give the same; lanes never change a sum."""
    load: Callable[[str], native.Core] = native.load
    best = native.core().variant
    found = {}
    for variant in native.VARIANTS[: native.VARIANTS.index(best) + 1]:
        forced = load(variant)
        monkeypatch.setattr(native, "load", lambda forced=forced: forced)
        native.core.cache_clear()
        assert native.core().variant == variant
        found[variant] = digest_of(shape, code)
    native.core.cache_clear()
    assert len(set(found.values())) == 1, found
