"""Images in tiles with a side for each axis: round trips, regions, streams in order, and what users may ask for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_decoder
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import radcodec
import radcodec.decoding.image
from radcodec.simulate import simulate_image

MODES: list[dict[str, Any]] = [
    {},
    {"max_error": 0.02},
    {"max_error": 0.3, "dither": True},
    {"max_error": "0.25sigma"},
    {"max_error": "0.5localsigma"},
    {"max_error": 0.4, "preview": 20},
    {"lossy_stages": 3},
]


def noise(shape: tuple[int, ...], seed: int = 3) -> Any:
    """Correlated noise of sigma about 1 with a few missing pixels."""
    values = np.random.default_rng(seed).normal(size=shape).cumsum(axis=-1) if shape else np.array(1.5)
    image = np.asarray(values / 2, np.float32)
    image[np.random.default_rng(seed + 1).random(shape) < 0.01] = np.nan
    return image


@st.composite
def shapes_and_tiles(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """One to six axes, and sides as a user gives them, x first; cut along one leading axis at most."""
    n_axes = draw(st.integers(1, 6))
    longest = {1: 900, 2: 40, 3: 14, 4: 8, 5: 5, 6: 4}[n_axes]
    shape = tuple(draw(st.integers(1, longest)) for _ in range(n_axes))
    plane = [draw(st.integers(1, 30)) for _ in range(min(2, n_axes))]
    cut = draw(st.integers(0, max(0, n_axes - 2)))
    lead = list(shape[:-2][::-1])[:cut]
    if lead:
        lead[-1] = draw(st.integers(1, lead[-1]))
    tile = (*plane, *lead)
    if np.prod(tile, dtype=int) < 64:
        tile = (tile[0] * 64, *tile[1:])
    return shape, tile


@pytest.mark.parametrize("mode", MODES, ids=str)
@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(both=shapes_and_tiles(), data=st.data())
def test_round_trip_of_any_shape_and_sides(
    mode: dict[str, Any], both: tuple[tuple[int, ...], tuple[int, ...]], data: st.DataObject
) -> None:
    """Every mode keeps its promise, both decoders agree, and any region is the same part of the whole."""
    shape, tile = both
    image = noise(shape)
    packed = radcodec.encode(image, tile=tile, threads=1, verify=False, **mode)
    restored = radcodec.decode(packed, threads=1)
    assert restored.tobytes() == np.asarray(reference_decoder.decode_file(packed)).tobytes()
    assert np.array_equal(np.isnan(restored), np.isnan(image))
    finite = np.isfinite(image)
    if not mode:
        assert restored.tobytes() == image.tobytes()
    elif isinstance(mode.get("max_error"), float):
        errors = np.abs(restored[finite].astype("f8") - image[finite].astype("f8"))
        assert errors.max(initial=0.0) <= mode["max_error"]
    with radcodec.open(packed, threads=1) as file:
        for axis, pieces in enumerate(file.chunks):
            assert sum(pieces) == shape[axis]
            assert len(set(pieces[:-1])) <= 1
        where = tuple(slice(*sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n))))) for n in shape)
        assert np.array_equal(file[where], restored[where], equal_nan=True)
        spectrum = (..., data.draw(st.integers(0, shape[-1] - 1)))
        assert np.array_equal(file[spectrum], restored[spectrum], equal_nan=True)
    assert radcodec.verify(io.BytesIO(packed)).mode == radcodec.open(packed).info.mode


def cube_file(cube: Any) -> bytes:
    """A FITS file of a cube."""
    out = io.BytesIO()
    fits.PrimaryHDU(cube).writeto(out)
    return out.getvalue()


@pytest.mark.parametrize("room", [1, 3000, 1 << 27])
def test_files_are_restored_in_order_however_little_memory_there_is(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slab holds all planes of its tiles, one or some, or a row of tiles of one plane; the file is the same."""
    monkeypatch.setattr(radcodec.decoding.image, "MAX_SLAB_BYTES", room)
    source = cube_file(noise((2, 11, 20, 30)))
    packed, back = io.BytesIO(), io.BytesIO()
    radcodec.compress(io.BytesIO(source), packed, tile="16x8x4", preview=0, threads=2)
    radcodec.decompress(io.BytesIO(packed.getvalue()), back, threads=2)
    assert back.getvalue() == source


def test_slabs_are_no_larger_than_their_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of tiles of 5 planes of 2400 bytes, two planes fit into 5000 bytes."""
    monkeypatch.setattr(radcodec.decoding.image, "MAX_SLAB_BYTES", 5000)
    with radcodec.open(radcodec.encode(noise((5, 20, 30)), tile=(16, 8, 5))) as file:
        slabs = [slab.shape for _, slab in radcodec.decoding.image.iter_slabs(file.images[0].stored, 1)]
    assert slabs == [(2, 20, 30), (2, 20, 30), (1, 20, 30)]


def test_a_spectrum_decodes_the_tiles_of_its_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    """One spectrum of 40 planes in tiles of 8x8x20 needs two of 50 tiles; one plane needs 25."""
    with radcodec.open(radcodec.encode(noise((40, 40, 40)), tile=(8, 8, 20)), threads=1) as file:
        decoded: list[int] = []
        plain = radcodec.decoding.image.decode_tile

        def counted(image: Any, tile: int) -> Any:
            decoded.append(tile)
            return plain(image, tile)

        monkeypatch.setattr(radcodec.decoding.image, "decode_tile", counted)
        _ = file[:, 17, 3]
        assert decoded == [10, 35]  # row 2 of 5, column 0
        decoded.clear()
        _ = file[25]
        assert decoded == list(range(25, 50))


def test_the_option_and_what_is_shown(tmp_path: Path) -> None:
    """``--tile 12x10x4`` is x first, as in ``--region``; ``info`` shows the sides x first, Python the pieces."""
    (tmp_path / "c.fits").write_bytes(cube_file(noise((9, 30, 36))))
    from radcodec.cli.app import run

    target = tmp_path / "c.rcz"
    assert run(["compress", str(tmp_path / "c.fits"), str(target), "--tile", "12x10x4", "--no-preview", "--quiet"]) == 0
    with radcodec.open(target) as file:
        assert file.chunks == ((3, 3, 3), (10, 10, 10), (12, 12, 12))
        assert file.info.hdus[0]["tile"] == [12, 10, 3]
    assert radcodec.encode(noise((9, 30, 36)), tile="12x10x4") == radcodec.encode(noise((9, 30, 36)), tile=(12, 10, 4))
    assert radcodec.encode(noise((9, 30)), tile="16") == radcodec.encode(noise((9, 30)), tile=np.int64(16))


@pytest.mark.parametrize(
    ("tile", "match"),
    [
        (7, "tile size of 8 to 2048, found 7"),
        ("4096", "tile size of 8 to 2048, found 4096"),
        ("64x", "such as 512, or sides x first such as 128x128x64, found '64x'"),
        ("64*64", "such as 512"),
        ("", "such as 512"),
        ("64x0", "sides of a tile of 1 or more, found '64x0'"),
        ((64, -1), "sides of a tile of 1 or more"),
        ((64, 2.5), "whole number, found 2.5"),
        (2.5, "whole number, found 2.5"),
        (None, "whole number, found None"),
        ((), "1 to 64 axes, found 0"),
        ("7x9", "at least 64 samples, found '7x9'"),
        ((10, 10, 2, 2), r"whole along every axis .* found the sides 10x10x2x2 of the axes 30x30x4x4: choose other"),
    ],
)
def test_tiles_that_cannot_be(tile: Any, match: str) -> None:
    """An InputError says what was expected and found, for Python and the command line alike."""
    with pytest.raises(radcodec.InputError, match=match):
        radcodec.encode(np.zeros((4, 4, 30, 30), np.float32), tile=tile)


def test_noise_maps_do_not_depend_on_tiles() -> None:
    """The cells of localsigma and their bounds are those of the image, whatever the tiles are."""
    cube = np.stack([simulate_image((70, 90), seed=seed) for seed in range(3)])
    files = [radcodec.encode(cube, max_error="0.5localsigma", tile=tile) for tile in (512, (40, 30), (30, 70, 3))]
    cells = {radcodec.open(file).info.hdus[0]["sigma_cell"] for file in files}
    bounds = {radcodec.open(file).reader.params[0].bounds for file in files}
    assert (len(cells), len(bounds)) == (1, 1)
