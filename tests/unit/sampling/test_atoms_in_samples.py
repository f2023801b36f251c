"""Posterior samples of files with atoms: coefficients are those of what the atoms leave."""

from __future__ import annotations

import numpy as np

from radcodec.base.companding import OUTPUT_UNIT
from radcodec.base.store import load_model
from radcodec.base.trellis.codes import TrellisCodes
from radcodec.base.trellis.model import TrellisModel
from radcodec.sampling.field import _read_cells, canvas_of, coefficients_of, image_part


def test_coefficients_of_the_decoded_pixels_lie_in_their_cells_and_give_the_pixels() -> None:
    """A tile with atoms: its own canvas has coefficients within its cells, and they give the pixels back."""
    model = load_model("vqvae-v3")
    assert isinstance(model, TrellisModel)
    image = np.random.default_rng(5).normal(size=(48, 50))
    y, x = np.indices(image.shape)
    for at in (10.3, 24.6, 37.1):
        image += 200.0 * 2.0 ** (-4.0 * ((y - at) ** 2 + (x - at) ** 2) / 3.0**2)
    codes = model.encode_tile(image, 0.0, 1.0, step=3.0, keep_flux=True)
    assert isinstance(codes, TrellisCodes)
    assert len(codes.atoms)
    tile = _read_cells(model, tuple(s or b"\0" for s in model.stage_streams(codes)), (0, 1, 0, 48, 0, 50))
    pixels = image_part(tile, tile.canvas)
    units = model.companded(codes) / OUTPUT_UNIT
    assert np.abs(pixels[0] - units).max() <= 0.51 / OUTPUT_UNIT
    found = coefficients_of(tile, pixels)
    assert (found >= tile.lower - 0.01).all()
    assert (found <= tile.upper + 0.01).all()
    np.testing.assert_allclose(image_part(tile, canvas_of(tile, found)), pixels, atol=0.01)
