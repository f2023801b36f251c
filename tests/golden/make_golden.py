"""Write golden files: ``python tests/golden/make_golden.py [FOLDER]``, by default to tests/golden/files.

A golden file pins what a format version means: it is written once, by the version and draft that its name says, and
never again. Those of a draft that is no longer read lie in a folder of their own (``draft0``): they must be refused.
This script leaves alone every case that is there already; a new case is added to ``array_cases`` or ``fits_cases``.
Every file is read back by radcodec and by the reference decoder, and held against its input, before it is kept.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import reference_atoms
import reference_decoder
import reference_lapped
from reference_decoder import Image

import radcodec.container.writer
import radcodec.encoding.image
import radcodec.encoding.on_base
from radcodec.detail import stream
from radcodec.detail.predictors import Predictors, pack_predictors
from radcodec.simulate import pack_fits, simulate_fits, simulate_image

VERSION, DRAFT = 0, 4
SIGMA = 1.5e-4  # noise of the simulated images
Array = npt.NDArray[Any]
Case = tuple[str, Any, dict[str, Any]]
# What a case is there to pin; see ``features``.
NEEDED: dict[str, set[str]] = {
    "array_f4": {"map 0"},
    "fits_lapped_wavelets": {"wavelets"},
    "fits_atoms": {"atoms"},
    "fits_atoms_tiles": {"atoms"},
    "array_f4_lattice": {"map 1"},
    "array_i2": {"map 2"},
    "array_f4_dither": {"map 3"},
    "array_i2_bounded": {"map 3"},
    "array_f4_border": {"map 0", "border", "sides"},
    "array_f8_border": {"map 0", "border", "sides"},
    "array_f4_loop": {"map 4"},
    "array_f4_loop_border": {"map 4", "border", "sides"},
    "array_f4_loop_coarse": {"map 4"},
    "array_f4_loop_special": {"map 4", "special map 4", "border", "sides"},
    "array_f4_loop_narrow": {"map 4", "border", "narrow"},
    "array_f4_loop_strip": {"map 4", "border", "sides"},
    "array_f4_loop_again": {"map 3", "shrink 4"},
    "array_f8_loop": {"map 4", "border", "sides"},
    "array_cube_border": {"map 0", "border", "planes", "sides"},
    "array_cube_loop": {"map 4", "border", "planes", "sides", "steps vary"},
    "array_repeats": {"method 3"},
    "array_f4_parts": {"method 4", "map 0", "map 5"},
    "array_f4_near": {"map 6"},
    "array_i4_near": {"map 6"},
    "array_f4_near_special": {"map 6", "special map 6"},
    "array_cube_near": {"map 6", "planes"},
    "array_u1_counted": {"method 5"},
    "array_i4_counted_same": {"method 5"},
    "array_cube_counted": {"method 5"},
    "array_f4_plateau": {"method 6"},
    "array_f4_plateau_special": {"method 6"},
    "array_f8_plateau_gathered": {"method 6"},
    "array_cube_earlier": {"map 4", "planes", "earlier"},
    "array_cube_turned": {"map 0", "planes", "turned"},
    "array_f4_on_base": {"base map 4"},
    "array_f4_on_base_again": {"base map 3", "base shrink 4"},
    "array_f4_on_base_dither": {"base map 3"},
    "array_f8_on_base_tiles": {"base map 4", "special base map 4"},
    "fits_on_base_localsigma": {"base map 4", "steps vary"},
    "fits_loop": {"map 4", "special map 4"},
    "fits_localsigma_loop": {"map 4", "steps vary"},
    "array_i2_loop": {"map 4"},
    "array_u1_loop_special": {"map 4"},
    "array_i4_loop_again": {"map 3", "shrink 2"},
    "array_i2_on_base": {"base map 4"},
    "array_i4_on_base_again": {"base map 3", "base shrink 2"},
    "fits_i2_loop_localsigma": {"map 4", "steps vary"},
    "array_box": {"map 0"},
    "array_box_second_leading": {"map 3", "border", "planes", "sides"},
    "array_box_dither": {"map 3"},
    "array_box_on_base": {"base map 4"},
    "fits_box_localsigma": {"map 4"},
}


def special_values(image: Array) -> Array:
    """The image with every kind of value that no arithmetic keeps: NaN payloads, infinities, -0.0, blocks of 0.0."""
    out = image.copy()
    out[:8] = np.nan
    out.view("u4")[2, 3] = 0x7FC12345
    out.view("u4")[2, 4] = 0xFF812345  # signalling, negative
    out[10, 10:14] = [np.inf, -np.inf, -0.0, 0.0]
    out[11, 10:12] = np.array([1, 0x807FFFFF], "u4").view("f4")  # subnormal
    out[20:30, 20:30] = 0.0
    return out


def array_cases() -> Iterator[Case]:
    """Name, array and options of each case of kind array; the first dimension that matters is in the name."""
    image = simulate_image((64, 64), seed=3)
    cube = np.stack([simulate_image((24, 30), seed=i) * np.float32(1 + 0.2 * i) for i in range(5)])
    micro = np.round(image.astype("f8") * 1e6)
    rng = np.random.default_rng(7)
    yield "array_f4", image, {}
    yield "array_f4_clean", image, {"clean": True}
    yield "array_f8", image.astype("f8") * np.pi, {}
    yield "array_i2", micro.clip(-32768, 32767).astype("i2"), {}
    yield "array_u1", (micro / 10 + 100).clip(0, 255).astype("u1"), {}
    yield "array_u2_lattice", ((micro // 10 % 4096) * 16).astype("u2"), {}
    yield "array_i8_wide", rng.integers(-(1 << 63), (1 << 63) - 1, (40, 40), endpoint=True), {}
    yield "array_f4_special", special_values(image), {}
    yield "array_f4_lattice", (micro * 3e-6 + 0.5).astype("f4"), {}
    yield "array_f4_bounded", image, {"max_error": 2e-5}
    yield "array_f4_bounded_special", special_values(image), {"max_error": 2e-5}
    yield "array_f4_dither", image, {"max_error": 2e-5, "dither": True}
    yield "array_f8_bounded", image.astype("f8") * 1e3, {"max_error": 1e-3}
    yield "array_i2_bounded", micro.clip(-32768, 32767).astype("i2"), {"max_error": 5.0}
    yield "array_i8_bounded", (image.astype("f8") * 1e18).astype("i8"), {"max_error": 1e12}
    yield "array_cube", cube, {}
    yield "array_cube_sigma", cube, {"max_error": "0.125sigma"}
    yield "array_cube_earlier", cube_alike(0.5), {"max_error": 0.125}
    yield "array_cube_turned", np.ascontiguousarray(cube_alike(0.0).transpose(1, 2, 0)), {}
    yield "array_1d", image.ravel()[:3000], {}
    yield "array_0d", np.array(2.5, "f4"), {}
    yield "array_empty", np.zeros((3, 0, 2), "i4"), {}
    yield "array_constant", np.full((20, 20), 1.25, "f4"), {}
    repeats = image.ravel()[np.random.default_rng(2).integers(0, 50, (60, 64))]
    yield "array_repeats", repeats, {}
    yield from loop_cases(image)
    yield from base_cases(image)
    yield from integer_cases()
    parts = simulate_image((96, 80), seed=3).astype("f8")
    parts[40:, :30] = np.round(parts[40:, :30] / 4e-6) * 4e-6 + 1e-8
    parts[40:, 30:] = np.round(parts[40:, 30:] / 5.3e-6) * 5.3e-6 + 7e-7
    yield "array_f4_parts", parts.astype("f4"), {}
    yield from near_cases(image, micro)
    yield from counted_cases()
    yield from plateau_cases(image)
    yield "array_tile16", image, {"tile": 16}
    yield "array_tile16_dither", image, {"tile": 16, "max_error": 2e-5, "dither": True}
    yield from box_cases()


def near_cases(image: Array, micro: Array) -> Iterator[Case]:
    """Cases of integers that were scaled in single precision, with rounded products and sums."""
    scaled = (micro.astype("f4") * np.float32(1.7e-4) + np.float32(0.3)) * np.float32(142.857)
    yield "array_f4_near", scaled, {}
    yield "array_f8_near", (micro * 1.1e-4 + 0.37) * 3.3, {}
    yield "array_i4_near", np.rint(micro * 1234.567).astype("i4"), {}
    yield "array_f4_near_special", special_values(scaled), {}
    planes = [micro[:30, i : i + 40].astype("f4") * np.float32(1e-3 * (i + 1)) + np.float32(0.1 * i) for i in range(4)]
    yield "array_cube_near", np.stack(planes), {}


def counted_cases() -> Iterator[Case]:
    """Cases that are mostly one value: smooth islands, numbers of islands, flags in planes, floats."""
    y, x = np.indices((48, 56))
    islands = sum(200.0 * np.exp(-(np.hypot(y - cy, x - cx) ** 2) / 9) for cy, cx in ((9, 12), (30, 40), (28, 33)))
    islands = np.where(islands > 12, islands, 0)
    yield "array_u1_counted", islands.astype("u1"), {}
    yield "array_i4_counted_same", (islands > 40).astype("i4") * (1 + 1000 * (x > 25)).astype("i4"), {}
    yield "array_f4_counted", np.rint(islands / 9).astype("f4") * np.float32(0.37), {}
    flags = np.where(np.random.default_rng(5).random((3, 40, 41)) < 0.02, 4, 0) | np.where(x[:40, :41] == 17, -16, 0)
    yield "array_cube_counted", flags.astype("i2"), {}


def plateau_cases(image: Array) -> Iterator[Case]:
    """Cases of a few values that are there again and again beside others."""
    rng = np.random.default_rng(11)
    y, x = np.indices(image.shape)
    level = np.float32(-5.3 * np.abs(image).max())
    jitter = (level + rng.integers(-3, 4, image.shape) * np.spacing(level)).astype("f4")
    plateau = np.where(np.hypot(y - 30, x - 34) < 18, image, jitter)
    yield "array_f4_plateau", plateau, {}
    marked = plateau.copy()
    marked[3:6, :30], marked[28, 28:40], marked[50] = np.nan, np.nan, -0.0
    yield "array_f4_plateau_special", marked, {}
    yield "array_f8_plateau_gathered", np.where(rng.random((80, 80)) < 0.02, rng.exponential(size=(80, 80)), 0.0), {}


def box_cases() -> Iterator[Case]:
    """Cases of tiles with a side for each axis: cut along every axis, of planes of two axes, of spectra."""
    cube = np.stack([simulate_image((20, 26), seed=i) * np.float32(1 + 0.1 * i) for i in range(30)])
    yield "array_box", cube, {"tile": "16x12x4"}
    yield "array_box_two_leading", cube.reshape(10, 3, 20, 26), {"tile": (16, 12, 3, 4)}
    yield "array_box_second_leading", cube.reshape(2, 15, 20, 26), {"tile": (26, 7, 6), "max_error": SIGMA / 2}
    yield "array_box_spectra", cube.reshape(30, 1, 20, 26), {"tile": (5, 3, 1, 30), "max_error": "0.25sigma"}
    yield "array_box_dither", cube, {"tile": (9, 20, 7), "max_error": 2e-5, "dither": True}
    wide = np.stack([simulate_image((64, 64), seed=3) * np.float32(1 + 0.1 * i) for i in range(3)])
    yield "array_box_on_base", wide, {"tile": (64, 40, 2), "max_error": SIGMA / 2, "on_base": True}
    yield "array_box_1d", cube.ravel()[:3000], {"tile": (700,)}
    yield "array_box_6d", cube.ravel()[:4320].reshape(2, 3, 1, 4, 12, 15), {"tile": (15, 5, 4, 1, 2)}


def loop_cases(image: Array) -> Iterator[Case]:
    """Cases of coarse bounds, and of predictors that have sets of coefficients for the pixels near the edges."""
    broad = simulate_image((96, 96), seed=4, beam_fwhm_px=(8.0, 7.0))
    cube = np.stack([simulate_image((40, 40), seed=i) * np.float32(1 + 0.2 * i) for i in range(4)])
    yield "array_f4_border", image, {"borders": (2, 4)}
    yield "array_f8_border", image.astype("f8") * np.pi, {"borders": (8, 8)}
    yield "array_f4_loop", image, {"max_error": SIGMA / 2}
    yield "array_f4_loop_border", image, {"max_error": SIGMA / 2, "borders": (3, 24)}
    yield "array_f4_loop_coarse", broad, {"max_error": SIGMA}
    yield "array_f4_loop_special", special_values(image), {"max_error": SIGMA / 2, "borders": (2, 3)}
    yield "array_f4_loop_narrow", broad, {"tile": 9, "max_error": SIGMA / 2, "borders": (4, 24)}
    yield "array_f4_loop_strip", simulate_image((64, 20), seed=4), {"max_error": SIGMA / 2, "borders": (1, 1)}
    again = radcodec.decode(radcodec.encode(image, max_error=SIGMA))
    yield "array_f4_loop_again", again, {"max_error": SIGMA, "near": False}
    yield "array_f8_loop", image.astype("f8") * 1e3, {"max_error": 1e3 * SIGMA / 2, "borders": (8, 24)}
    yield "array_cube_border", cube, {"borders": (3, 5)}
    yield "array_cube_loop", cube, {"max_error": "0.5sigma", "borders": (2, 3)}


def base_cases(image: Array) -> Iterator[Case]:
    """Cases whose details are on the base layer."""
    coarse = {"max_error": SIGMA / 2, "on_base": True}
    yield "array_f4_on_base", image, coarse
    yield "array_f4_on_base_again", radcodec.decode(encode(image, **coarse)), coarse
    yield "array_f4_on_base_dither", image, {**coarse, "dither": True}
    with np.errstate(invalid="ignore"):  # a signalling NaN
        wide = special_values(image).astype("f8")
    yield "array_f8_on_base_tiles", wide, {**coarse, "tile": 40}


def integer_cases() -> Iterator[Case]:
    """Cases of integers in a loop, in units of steps, and on the base layer."""
    broad = np.rint(simulate_image((72, 64), seed=4, noise_rms=100.0, beam_fwhm_px=(5.0, 4.0)).clip(-3e4, 3e4))
    coarse = {"max_error": 100.0, "on_base": True}
    yield "array_i2_loop", broad.astype("i2"), {"max_error": 60.0}
    bytes_ = (broad / 5 + 90).clip(0, 255)
    bytes_[10:20, 10:30] = 255
    yield "array_u1_loop_special", bytes_.astype("u1"), {"max_error": 20.0, "fill": (255,)}
    again = radcodec.decode(encode(broad.astype("i4"), max_error=100.0))
    yield "array_i4_loop_again", again, {"max_error": 100.0}
    yield "array_i2_on_base", broad.astype("i2"), coarse
    yield (
        "array_i4_on_base_again",
        radcodec.decode(encode((broad + 1e6).astype("i4"), **coarse)),
        coarse | {"near": False},
    )


def card(keyword: str, value: str) -> bytes:
    """An 80-byte header card."""
    return f"{keyword:<8}= {value:>20}".ljust(80).encode("ascii")


def pad(data: bytes, fill: bytes) -> bytes:
    """Data filled up to whole FITS blocks."""
    return data + fill * (-len(data) % 2880)


def fits_cube(cube: Array) -> bytes:
    """A FITS file of a cube of float32."""
    cards = [card("SIMPLE", "T"), card("BITPIX", "-32"), card("NAXIS", str(cube.ndim))]
    cards += [card(f"NAXIS{axis}", str(n)) for axis, n in enumerate(cube.shape[::-1], 1)]
    cards += [card("BUNIT", "'Jy/beam '"), b"END".ljust(80)]
    return pad(b"".join(cards), b" ") + pad(cube.astype(">f4").tobytes(), b"\0")


def multi_hdu() -> bytes:
    """A FITS file of an image, a table, a second image and bytes that belong to nothing."""
    rng = np.random.default_rng(11)
    table = [card("XTENSION", "'BINTABLE'"), card("BITPIX", "8"), card("NAXIS", "2"), card("NAXIS1", "12")]
    table += [card("NAXIS2", "50"), card("PCOUNT", "0"), card("GCOUNT", "1"), card("TFIELDS", "1")]
    table += [card("TFORM1", "'12A     '"), card("EXTNAME", "'SOURCES '"), b"END".ljust(80)]
    image = [card("XTENSION", "'IMAGE   '"), card("BITPIX", "16"), card("NAXIS", "2"), card("NAXIS1", "20")]
    image += [card("NAXIS2", "30"), card("PCOUNT", "0"), card("GCOUNT", "1"), card("BLANK", "-32768"), b"END".ljust(80)]
    samples = (simulate_image((30, 20), seed=8) * 1e6).astype(">i2")
    samples[:3] = -32768
    parts = [simulate_fits((40, 48), seed=12, n_axes=4), pad(b"".join(table), b" ")]
    parts += [pad(rng.integers(32, 127, 600).astype("u1").tobytes(), b"\0"), pad(b"".join(image), b" ")]
    return b"".join([*parts, pad(samples.tobytes(), b"\0"), b"what a telescope's pipeline left behind"])


def fits_cases() -> Iterator[Case]:
    """Name, file and options of each case of kind FITS."""
    image = simulate_fits((64, 64), seed=5, n_axes=4, nan_border_px=3)
    yield "fits_multi_hdu", multi_hdu(), {"preview": 0}
    yield "fits_clean", image, {"clean": True, "preview": 20}
    yield "fits_sigma", image, {"max_error": "0.125sigma", "preview": 0}
    yield "fits_localsigma", image, {"max_error": "0.25localsigma", "preview": 0}
    yield "fits_loop", image, {"max_error": "1sigma", "preview": 0}
    uneven = simulate_image((16, 520), seed=5) * np.where(np.arange(520) < 200, 1, 3).astype("f4")
    yield "fits_localsigma_loop", pack_fits(uneven), {"max_error": "0.5localsigma", "preview": 0}
    yield "fits_on_base_localsigma", pack_fits(uneven), {"max_error": "1localsigma", "on_base": True, "preview": 0}
    yield (
        "fits_i2_sigma",
        simulate_fits((48, 48), seed=6, bitpix=16, nan_border_px=2),
        {"max_error": "0.25sigma", "preview": 0},
    )
    wide = simulate_fits((64, 300), seed=6, bitpix=16)
    yield "fits_i2_loop_localsigma", wide, {"max_error": "1localsigma", "preview": 0}
    yield "fits_preview", image, {"preview": 20, "model": "general-v0"}
    yield "fits_masks_apart", image, {"preview": 20, "tile": 32, "masks_apart": True}
    yield "fits_lossy", image, {"lossy_stages": 2, "model": "general-v0"}
    yield "fits_lapped", image, {"lossy_stages": 6, "model": "lapped-v2"}
    yield "fits_lapped_cut", image, {"lossy_stages": 2, "model": "lapped-v2"}
    y, x = np.indices((64, 90)) - 30
    disc = simulate_image((64, 90), seed=7) + np.where(np.hypot(y, x) < 17, 40 * SIGMA, 0).astype("f4")
    yield "fits_lapped_wavelets", pack_fits(disc), {"lossy_bpp": 2.0, "model": "lapped-v2"}
    yield "fits_lapped_preview", image, {"max_error": "0.25sigma", "preview": 30, "model": "lapped-v2"}
    cube = np.stack([simulate_image((40, 52), seed=i) for i in range(9)])
    yield "fits_trellis", image, {"lossy_stages": 6, "model": "vqvae-v1"}
    yield "fits_trellis_cut", image, {"lossy_stages": 2, "model": "vqvae-v1"}
    yield "fits_trellis_wavelets", pack_fits(disc), {"lossy_bpp": 2.0, "model": "vqvae-v1"}
    places = np.random.default_rng(8).uniform(8, 56, (5, 2))
    at = np.indices((64, 90))[:, None] - places.T[:, :, None, None]
    points = simulate_image((64, 90), seed=8) + (80 * SIGMA * 2.0 ** (-(at**2).sum(axis=0) / 3)).sum(axis=0).astype(
        "f4"
    )
    yield "fits_atoms", pack_fits(points), {"lossy_bpp": 1.2, "model": "vqvae-v3"}
    yield "fits_atoms_tiles", pack_fits(points), {"lossy_bpp": 1.2, "model": "vqvae-v3", "tile": 45}
    yield "fits_box_lossy", fits_cube(cube), {"lossy_stages": 6, "model": "lapped-v2", "tile": "30x20x4"}
    local = {"max_error": "0.5localsigma", "preview": 0, "tile": "52x16x2"}
    yield "fits_box_localsigma", fits_cube(cube), local


def stream_cases() -> Iterator[Case]:
    """Name, planes and options of each case of a file that planes came to one by one (2.4)."""
    planes = np.stack([simulate_image((30, 36), seed=i) * np.float32(1 + i / 8) for i in range(6)])
    planes[1, 5, 7:11] = np.nan
    rng = np.random.default_rng(29)
    smooth = rng.normal(size=(3, 64, 64)).cumsum(axis=1).cumsum(axis=2)
    yield "fits_stream", planes, {"tile": 20}
    yield "fits_stream_sets", np.concatenate([rng.normal(size=(3, 64, 64)), smooth]).astype("f4"), {"max_error": 0.01}
    yield "fits_stream_sigma", planes, {"max_error": "0.25sigma"}
    yield "fits_stream_localsigma", planes, {"max_error": "0.25localsigma"}
    yield "fits_stream_deep_dither", planes, {"max_error": "0.5sigma", "tile": "20x20x4", "dither": True}
    yield "fits_stream_u2", (planes[2:] * 1e6 + 3000).astype("u2").reshape(2, 2, 30, 36), {"max_error": 20}


def on_base(wanted: bool) -> AbstractContextManager[object]:
    """Context in which details of all bounded images, or of none, are on the base layer."""
    if wanted:
        return patch.object(radcodec.encoding.on_base, "SURE", np.inf)
    return patch.object(radcodec.encoding.image, "find_base", lambda *_: (None, None))


def near_lattices(wanted: bool) -> AbstractContextManager[object]:
    """Context in which tiles near lattices are coded as such, or none is."""
    return nullcontext() if wanted else patch.object(stream, "_code_near", lambda *_: None)


def masks_apart(wanted: bool) -> AbstractContextManager[object]:
    """Context in which masks lie apart however few details lie between them, or where the writer puts them."""
    return patch.object(radcodec.container.writer, "_NEAR_BYTES", 0) if wanted else nullcontext()


def cube_alike(share: float) -> Array:
    """Planes of beam-smoothed noise, each with a share of the one before in it."""
    planes = [simulate_image((28, 32), seed=40 + p, n_sources=0, noise_rms=1.0) for p in range(24)]
    for p in range(1, len(planes)):
        planes[p] = planes[p] + share * planes[p - 1]
    return np.stack(planes).astype("f4")


def encode(array: Array, borders: tuple[int, int] | None = None, **options: Any) -> bytes:
    """The file of an array, its predictor's border radius and reach being as given, as far as its radius allows."""
    with on_base(options.pop("on_base", False)), near_lattices(options.pop("near", True)):
        return _encode(array, borders, **options)


def _encode(array: Array, borders: tuple[int, int] | None, **options: Any) -> bytes:
    if borders is None:
        return radcodec.encode(array, **options)

    def forced(predictors: Predictors) -> bytes:
        one = predictors.predictors[0]
        border, reach = (min(n, one.radius) for n in borders)
        return pack_predictors(replace(predictors, predictors=(replace(one, border=border, reach=reach),)))

    with patch.object(stream, "pack_predictors", forced):
        return radcodec.encode(array, **options)


def features(coded: bytes, image: Image, shape: tuple[int, int, int], special: Array, based: bool) -> set[str]:
    """What the detail stream of a tile makes use of."""
    if coded[0] != 2 or image.predictors is None:
        return {f"method {coded[0]}"}
    cur = reference_decoder.Cursor(coded[1:])
    _, border, reach, _, before = image.predictors.predictors[cur.leb()]
    kind, below = cur.get("B"), "base " if based else ""
    found = {f"{below}map {kind}"} | ({f"special {below}map {kind}"} if special.any() else set())
    if kind == 3:
        found.add(f"{below}shrink {cur.get('B')}")
    if border:
        found |= {"border", "narrow" if shape[2] < 2 * reach else "sides"}
    found |= {"turned"} if image.predictors.order != (0, 1, 2) else set()
    found |= {"earlier"} if before is not None else set()
    return found | ({"planes"} if shape[0] > 1 else set())


def decode_watched(data: bytes) -> tuple[bytes | Array, set[str]]:
    """What the reference decoder makes of a file, and the features of all its tiles."""
    found: set[str] = set()
    plain = reference_decoder.decode_detail

    def watch(
        coded: bytes,
        image: Image,
        tile: int,
        shape: tuple[int, int, int],
        special: Array,
        errors: Array | None,
        base: Array | None = None,
        depth: int = 0,
    ) -> Array:
        found.update(features(coded, image, shape, special, base is not None))
        if errors is not None and np.unique(errors).size > 1:
            found.add("steps vary")
        return plain(coded, image, tile, shape, special, errors, base, depth)

    inverse = reference_lapped.inverse_wavelets

    def watch_wavelets(coefficients: Array) -> Array:
        found.add("wavelets")
        return inverse(coefficients)

    read_atoms = reference_atoms.read_atoms

    def watch_atoms(*arguments: Any) -> Any:
        found.add("atoms")
        return read_atoms(*arguments)

    with (
        patch.object(reference_atoms, "read_atoms", watch_atoms),
        patch.object(reference_decoder, "decode_detail", watch),
        patch.object(reference_lapped, "inverse_wavelets", watch_wavelets),
    ):
        restored = reference_decoder.decode_file(data)
    return restored, found


def check_bound(name: str, original: Array, restored: Array, options: dict[str, Any]) -> None:
    """Stop unless a lossless array is the same, and one with an absolute bound is within it."""
    bound = options.get("max_error")
    if bound is None and original.tobytes() != restored.tobytes():
        raise SystemExit(f"{name}: expected the input back, found something else")
    if isinstance(bound, float):
        finite = np.isfinite(original) if original.dtype.kind == "f" else np.ones(original.shape, bool)
        differences = np.abs(restored[finite].astype("f8") - original[finite].astype("f8"))
        if differences.size and differences.max() > bound:
            raise SystemExit(f"{name}: expected errors up to {bound}, found {differences.max()}")


def check_features(name: str, found: set[str]) -> None:
    """Stop unless a file pins what it is there for."""
    missing = NEEDED.get(name.removeprefix(f"v{VERSION}d{DRAFT}_"), set()) - found
    if missing:
        raise SystemExit(f"{name}: expected {', '.join(sorted(missing))}, found {', '.join(sorted(found))}")


def make_array(name: str, array: Array, options: dict[str, Any]) -> tuple[bytes, Array]:
    """The file of an array case and the array that it restores to."""
    data = encode(array, **options)
    restored, (again, found) = radcodec.decode(data), decode_watched(data)
    check_features(name, found)
    if isinstance(again, bytes) or (restored.shape, restored.dtype) != (again.shape, again.dtype):
        raise SystemExit(f"{name}: radcodec and the reference decoder give arrays of another kind")
    if restored.tobytes() != again.tobytes():
        raise SystemExit(f"{name}: radcodec and the reference decoder differ")
    check_bound(name, array, restored, options)
    return data, restored


def make_fits(name: str, content: bytes, options: dict[str, Any]) -> tuple[bytes, bytes]:
    """The file of a FITS case and the bytes that it restores to."""
    options = dict(options)
    with tempfile.TemporaryDirectory() as folder:
        source, packed, back = (Path(folder) / part for part in ("in.fits", "in.rcz", "out.fits"))
        source.write_bytes(content)
        with on_base(options.pop("on_base", False)), masks_apart(options.pop("masks_apart", False)):
            radcodec.compress(source, packed, **options)
        radcodec.decompress(packed, back)
        data, restored = packed.read_bytes(), back.read_bytes()
    again, found = decode_watched(data)
    check_features(name, found)
    if again != restored:
        raise SystemExit(f"{name}: radcodec and the reference decoder differ")
    if not {"max_error", "lossy_stages", "lossy_bpp"} & options.keys() and restored != content:
        raise SystemExit(f"{name}: expected the input back, found something else")
    return data, restored


def make_stream(name: str, planes: Array, options: dict[str, Any]) -> tuple[bytes, bytes]:
    """The file of a case of planes and the bytes that it restores to."""
    with tempfile.TemporaryDirectory() as folder:
        packed, back = (Path(folder) / part for part in ("in.rcz", "out.fits"))
        with radcodec.create(packed, shape=(None, *planes.shape[1:]), dtype=planes.dtype, **options) as stream_:
            for plane in planes:
                stream_.append(plane)
        radcodec.decompress(packed, back)
        data, restored = packed.read_bytes(), back.read_bytes()
    if reference_decoder.decode_file(data) != restored:
        raise SystemExit(f"{name}: radcodec and the reference decoder differ")
    with radcodec.open(data) as file:
        check_bound(name, planes, file[:], options)
    return data, restored


def main() -> None:
    """Write the cases that are missing."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "files"
    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    for make, cases in ((make_array, array_cases()), (make_fits, fits_cases()), (make_stream, stream_cases())):
        for case, content, options in cases:
            name = f"v{VERSION}d{DRAFT}_{case}"
            if (folder / f"{name}.rcz").exists():
                print(f"{name}: is there already, left as it is")
                continue
            try:
                data, restored = make(name, content, options)
            except (radcodec.RadcodecError, reference_decoder.RejectError) as err:
                print(f"{name}: {err}")
                failed.append(name)
                continue
            if isinstance(restored, bytes):
                expected = {"bytes": len(restored), "sha256": hashlib.sha256(restored).hexdigest()}
                (folder / f"{name}.json").write_text(json.dumps(expected) + "\n", encoding="ascii")
            else:
                np.save(folder / f"{name}.npy", restored)
            (folder / f"{name}.rcz").write_bytes(data)
            print(f"{name}: {len(data)} bytes")
    if failed:
        raise SystemExit("not written: " + ", ".join(failed))


if __name__ == "__main__":
    main()
