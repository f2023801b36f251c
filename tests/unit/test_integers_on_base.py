"""Files of integers at coarse bounds: loops and a base layer in FITS, cubes, regions, streams; never larger."""

from __future__ import annotations

import io
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import reference_decoder as ref
from astropy.io import fits

import radcodec
import radcodec.detail.fit_input
import radcodec.detail.prepare
import radcodec.encoding.on_base
from radcodec.simulate import simulate_image

SIGMA = 100.0
BSCALE, BZERO, BLANK = 3.035171e-06, 0.05752651, -32768


def whole(shape: tuple[int, int], seed: int = 3, sigma: float = SIGMA) -> np.ndarray:
    """A simulated image in integers that int16 holds."""
    image = simulate_image(shape, seed=seed, noise_rms=sigma, n_sources=4, beam_fwhm_px=(4.0, 3.5))
    return np.rint(image).clip(-30000, 30000).astype(np.int16)


def fits_file(stored: np.ndarray, **cards: Any) -> bytes:
    """A FITS file of stored samples, big-endian, with cards of its scaling."""
    hdu = fits.PrimaryHDU(stored)
    for keyword, value in cards.items():
        hdu.header[keyword] = value
    out = io.BytesIO()
    hdu.writeto(out)
    return out.getvalue()


def packed(data: bytes, **options: Any) -> bytes:
    """The file of a FITS file, without a preview."""
    out = io.BytesIO()
    radcodec.compress(io.BytesIO(data), out, threads=1, preview=0, **options)
    return out.getvalue()


def unpacked(data: bytes) -> bytes:
    """The FITS file of a file."""
    out = io.BytesIO()
    radcodec.decompress(io.BytesIO(data), out, threads=1)
    return out.getvalue()


def stored_of(data: bytes) -> np.ndarray:
    """Stored samples of a FITS file, without its scaling."""
    with fits.open(io.BytesIO(data), do_not_scale_image_data=True) as hdus:
        return np.array(hdus[0].data)


def on_base(data: bytes) -> bool:
    """Whether the details of the first image of a file are on its base layer."""
    with radcodec.open(data) as file:
        return bool(file.info.hdus[0]["on_base"])


def in_whole_steps(array: np.ndarray, **options: Any) -> bytes:
    """The file of an array of integers whose steps are whole, without a loop and a base."""
    with (
        patch.object(radcodec.detail.fit_input, "LEAST_STEP", np.inf),
        patch.object(radcodec.detail.prepare, "LEAST_STEP", np.inf),
        patch.object(radcodec.encoding.on_base, "LEAST_ERROR", np.inf),
    ):
        return radcodec.encode(array, **options)


@pytest.mark.parametrize("bound", ["0.5sigma", "1sigma", "1localsigma"])
def test_scaled_integers_with_blank(bound: str) -> None:
    """Physical values keep the bound, BLANK pixels come back, a second compression changes no byte."""
    stored = whole((120, 110))
    stored[20:40, 30:60] = BLANK
    plain = fits_file(stored, BSCALE=BSCALE, BZERO=BZERO, BLANK=BLANK, BUNIT="JY/BEAM")
    data = packed(plain, max_error=bound)
    with radcodec.open(data) as file:
        most = file.info.max_error
    assert most is not None
    restored = unpacked(data)
    found, known = stored_of(restored), stored != BLANK
    assert (found[~known] == BLANK).all()
    assert (found[known] != BLANK).all()
    physical = [BZERO + BSCALE * each[known].astype("f8") for each in (found, stored)]
    assert np.abs(physical[0] - physical[1]).max() <= most
    assert len(np.unique(found[known] % (2 * int(most / BSCALE) + 1))) > 1  # no whole steps
    if "local" not in bound:  # local noise is always measured anew
        assert unpacked(packed(restored, max_error=bound)) == restored
    radcodec.verify(io.BytesIO(data), against=io.BytesIO(plain))
    assert ref.decode_file(data) == restored


def test_unsigned_integers_of_fits() -> None:
    """With BZERO 32768 the stored integers are signed, and physical ones are within floor(E)."""
    values = whole((100, 100)).astype(np.int64) + 33000
    data = packed(fits_file(values.astype(np.uint16)), max_error=90.5)
    found = fits.getdata(io.BytesIO(unpacked(data)))
    assert found.dtype == np.uint16
    assert np.abs(found.astype(np.int64) - values).max() <= 90


@pytest.mark.parametrize("code", ["i2", "u2", "i4", "u4", "i8", "u8"])
def test_smaller_on_a_base(code: str) -> None:
    """At the noise, a file on the base is a quarter smaller than one in whole steps, and within floor(E)."""
    image = whole((150, 160)).astype("i8")
    array = ((image + 3000).clip(0) if code[0] == "u" else image).astype(code)
    bound = SIGMA + 0.9
    data = radcodec.encode(array, max_error=bound, threads=1)
    assert on_base(data)
    assert len(data) < 0.75 * len(in_whole_steps(array, max_error=bound, threads=1))
    assert np.abs(radcodec.decode(data).astype(object) - array.astype(object)).max() <= SIGMA


def test_planes_tiles_and_regions() -> None:
    """Cubes whose planes have noise of their own restore the same by tiles and by regions, within each plane's E."""
    cube = np.stack([whole((60, 50), seed=i, sigma=SIGMA * (1 + i)) for i in range(4)])
    with patch.object(radcodec.encoding.on_base, "SURE", np.inf):
        data = radcodec.encode(cube, max_error="1sigma", tile=40, smallest=True, threads=1)
    assert on_base(data)
    found = radcodec.decode(data)
    with radcodec.open(data) as file:
        assert np.array_equal(file[1:3, 15:55, 10:50], found[1:3, 15:55, 10:50])
        most = file.info.max_error
    assert most is not None
    errors = np.abs(found.astype("i8") - cube).max(axis=(1, 2))
    assert (errors <= most).all()
    assert errors[0] < 0.5 * most


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("kind", ["smooth", "rough", "steps", "few"])
def test_never_larger_than_whole_steps(share: float, kind: str) -> None:
    """Whatever the image, the loop and the base are taken only where they save bytes."""
    rng = np.random.default_rng(9)
    image = {
        "smooth": whole((100, 90)),
        "rough": np.rint(rng.normal(size=(100, 90)) * SIGMA),
        "steps": 7 * np.rint(whole((100, 90)) / 7.0),
        "few": np.rint(whole((100, 90)) / 150.0) * 150,
    }[kind].astype("i2")
    old = in_whole_steps(image, max_error=share * SIGMA, threads=1)
    new = radcodec.encode(image, max_error=share * SIGMA, threads=1)
    assert len(new) <= len(old) + 2  # the predictors may be others


def test_fine_bounds_keep_their_bytes() -> None:
    """Under 16 integers a file has the same bytes as one in whole steps."""
    image = whole((100, 90))
    for bound in (1.0, 15.0):
        assert radcodec.encode(image, max_error=bound, threads=1) == in_whole_steps(image, max_error=bound, threads=1)


def test_dithered_integers_stay_in_whole_steps() -> None:
    """An option that asks for errors without a memory gets neither loop nor base."""
    image = whole((100, 90))
    options: dict[str, Any] = {"max_error": SIGMA, "dither": True, "threads": 1}
    data = radcodec.encode(image, **options)
    assert data == in_whole_steps(image, **options)
    assert not on_base(data)


def test_streams_of_planes_take_the_loop(tmp_path: Any) -> None:
    """Planes that arrive one by one are within the bound, in fewer bytes than in whole steps."""
    planes = [whole((70, 60), seed=i).astype("u2") + 2000 for i in range(3)]

    def write(name: str) -> bytes:
        path = tmp_path / name
        with radcodec.create(path, shape=(None, 70, 60), dtype="u2", max_error=SIGMA, threads=1) as out:
            for plane in planes:
                out.append(plane)
        return bytes(path.read_bytes())

    new = write("new.rcz")
    with (
        patch.object(radcodec.detail.fit_input, "LEAST_STEP", np.inf),
        patch.object(radcodec.detail.prepare, "LEAST_STEP", np.inf),
    ):
        old = write("old.rcz")
    assert len(new) < len(old)
    assert np.abs(radcodec.decode(new).astype("i8") - np.stack(planes)).max() <= SIGMA


def test_base_only_copies_and_previews() -> None:
    """A preview of details on a base is the base layer, near the image."""
    image = whole((150, 160))
    data = radcodec.encode(image, max_error=SIGMA, threads=1)
    assert on_base(data)
    with radcodec.open(data) as file:
        picture = file.preview()
    assert np.std(picture - image) < 2 * SIGMA
