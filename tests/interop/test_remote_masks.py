"""Masks that would lie far apart lie together near the start of a file, so that a preview takes three requests."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reference_decoder
from astropy.io import fits
from corruption.repair import join, repair, split
from web_servers import web_server

import radcodec
from radcodec.container import writer
from radcodec.encoding import on_base
from radcodec.simulate import simulate_image

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")
remote = pytest.importorskip("radcodec.integrations.remote")
TILE, ROWS, COLUMNS = 32, 8, 8
MASKED = [(row, (5 * row) % COLUMNS) for row in range(ROWS)]  # tiles that have a mask: one in each row of tiles
FLAG_APART = 16


def sparse() -> np.ndarray:
    """An image whose masks are small and in few tiles, which lie all over it."""
    image = simulate_image((TILE * ROWS, TILE * COLUMNS), seed=11)
    for row, column in MASKED:
        image[TILE * row + 3 : TILE * row + 9, TILE * column + 4 : TILE * column + 17] = np.nan
    return image


def fits_bytes(*images: np.ndarray) -> bytes:
    """A FITS file of images."""
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(images[0]), *map(fits.ImageHDU, images[1:])]).writeto(file)
    return file.getvalue()


def compressed(content: bytes, **options: Any) -> bytes:
    """A FITS file as ``.rcz``, with a base layer."""
    out = io.BytesIO()
    radcodec.compress(io.BytesIO(content), out, **({"preview": 20, "threads": 1, "tile": TILE, "effort": 1} | options))
    return out.getvalue()


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of 200 KB is to requests as one of hundreds of megabytes: blocks and gaps are a thousandth."""
    monkeypatch.setattr(writer, "_NEAR_BYTES", 1 << 10, raising=False)
    monkeypatch.setattr(remote, "_BLOCK_BYTES", 8 << 10)
    monkeypatch.setattr(remote, "_GAP_BYTES", 16)


@pytest.fixture
def set_head(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """What sets the length of the first request, which is 64 KiB."""
    return lambda size: monkeypatch.setattr(remote, "_HEAD_BYTES", size)


def start_of(data: bytes, section: str) -> int:
    """Where a section starts."""
    with radcodec.open(data) as file:
        return file.reader.prelude.section_start(section)


def bytes_of_masks(data: bytes) -> int:
    """Length of all masks."""
    with radcodec.open(data) as file:
        return sum(file.reader.mask_bytes(0, tile) for tile in range(file.reader.n_tiles(0)))


@pytest.mark.parametrize("options", [{}, {"max_error": "0.125sigma", "preview": 40}])
@pytest.mark.parametrize("head", ["before INDEX", "at BASE"])
def test_a_preview_takes_three_requests(
    small_blocks: None, set_head: Callable[[int], None], options: dict[str, Any], head: str
) -> None:
    """Also where INDEX is longer than the first request, with masks in tiles all over the file."""
    image = sparse()
    data = compressed(fits_bytes(image), **options)
    assert data[12] == FLAG_APART
    near = radcodec.preview(data, threads=1)
    # PRELUDE to half of INDEX, or all of INDEX.
    index, base = start_of(data, "INDEX"), start_of(data, "BASE")
    set_head((index + base) // 2 if head == "before INDEX" else base)
    with web_server({"a.rcz": data}) as (url, traffic):
        found = radcodec.preview(f"{url}/a.rcz", threads=1)
        assert traffic.gets <= 3
        assert (traffic.heads, traffic.round_trips) == (0, 2)
        # The base layer and what opens the file: no details.
        assert traffic.body_bytes <= start_of(data, "TILES")
    assert np.array_equal(found, near, equal_nan=True)
    assert np.array_equal(np.isnan(found), np.isnan(image))


def test_a_cutout_of_masked_tiles_takes_two_requests(small_blocks: None, set_head: Callable[[int], None]) -> None:
    """Masks come with the first request; a row of tiles is one more."""
    image = sparse()
    data = compressed(fits_bytes(image))
    set_head(start_of(data, "BASE") + bytes_of_masks(data))
    with web_server({"a.rcz": data}) as (url, traffic), radcodec.open(f"{url}/a.rcz", threads=1) as file:
        assert traffic.gets == 1
        for gets, (row, column) in enumerate(MASKED[:5], 2):
            y, x = TILE * row, TILE * column
            part = file[y : y + TILE, x : x + TILE]
            assert np.array_equal(part, image[y : y + TILE, x : x + TILE], equal_nan=True)
            assert np.isnan(part).sum() == 6 * 13
            assert (traffic.gets, traffic.round_trips, traffic.heads) == (gets, gets, 0)


def test_masks_come_with_a_long_index(small_blocks: None, set_head: Callable[[int], None]) -> None:
    """Where INDEX takes a second request, that gets the masks too, and a cut-out is one request more."""
    image = sparse()
    data = compressed(fits_bytes(image))
    set_head(start_of(data, "INDEX"))
    with web_server({"a.rcz": data}) as (url, traffic), radcodec.open(f"{url}/a.rcz", threads=1) as file:
        assert traffic.gets == 2
        for gets, (row, column) in enumerate(MASKED[:3], 3):
            y, x = TILE * row, TILE * column
            assert np.array_equal(file[y + 8, x : x + 20], image[y + 8, x : x + 20], equal_nan=True)
            assert traffic.gets == gets


def test_masks_beyond_the_first_request_take_no_round_trip_more(
    small_blocks: None, set_head: Callable[[int], None]
) -> None:
    """Where INDEX ends with the first request, mask and details are two requests at once."""
    image = sparse()
    data = compressed(fits_bytes(image))
    set_head(start_of(data, "BASE"))
    row, column = MASKED[5]
    with web_server({"a.rcz": data}) as (url, traffic), radcodec.open(f"{url}/a.rcz", threads=1) as file:
        part = file[TILE * row : TILE * row + 9, TILE * column : TILE * column + 9]
        assert (traffic.gets, traffic.round_trips) == (3, 2)
    assert np.array_equal(part, image[TILE * row : TILE * row + 9, TILE * column : TILE * column + 9], equal_nan=True)


def test_images_after_the_first_have_their_masks_there(small_blocks: None) -> None:
    """A preview of the second image takes three requests; both images are decoded right, by both decoders."""
    images = sparse()[: 4 * TILE, : 3 * TILE], sparse()[4 * TILE - 1 :: -1, : 3 * TILE]
    content = fits_bytes(*images)
    data = compressed(content)
    assert data[12] == FLAG_APART
    assert reference_decoder.decode_file(data) == content
    with web_server({"a.rcz": data}) as (url, traffic), radcodec.open(f"{url}/a.rcz", threads=1) as file:
        found = file.images[1].preview()
        assert traffic.gets <= 3
    with radcodec.open(data, threads=1) as file:
        assert np.array_equal(found, file.images[1].preview(), equal_nan=True)
        assert np.array_equal(file.images[1][...], images[1], equal_nan=True)
    assert np.array_equal(np.isnan(found), np.isnan(images[1]))


@pytest.mark.parametrize("options", [{}, {"max_error": 2e-4}])
def test_both_decoders_read_it(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    """Exact, and bounded on the base: the file verifies, and both decoders restore the same bytes."""
    # So small an image pays no base layer: one that costs ten times the bits is taken all the same.
    monkeypatch.setattr(on_base, "LEAST_GAINS", (-9.0, -9.0))
    monkeypatch.setattr(on_base, "LEAST_BOUND", 0.0)
    monkeypatch.setattr(writer, "_NEAR_BYTES", 0)
    data, content = small_file(**options)
    out = io.BytesIO()
    radcodec.decompress(io.BytesIO(data), out, threads=1)
    radcodec.verify(data, against=io.BytesIO(content))
    assert data[12] == FLAG_APART
    with radcodec.open(data) as file:
        assert file.info.hdus[0]["on_base"] == bool(options)
    assert reference_decoder.decode_file(data) == out.getvalue()
    assert options or out.getvalue() == content


def test_cubes(small_blocks: None) -> None:
    """Boxes of planes keep their masks, and a slab of a URL is that of the file at hand."""
    cube = np.stack([sparse()[:64, :96] * (p + 1) for p in range(4)])
    cube[2, :, 40:44] = np.nan
    data = compressed(fits_bytes(cube), tile="32x32x2")
    assert data[12] == FLAG_APART
    with web_server({"a.rcz": data}) as (url, _), radcodec.open(f"{url}/a.rcz", threads=1) as file:
        assert np.array_equal(file[2, 30:60, 35:60], cube[2, 30:60, 35:60], equal_nan=True)
        assert np.array_equal(file.hdulist()[0].section[2, :, 41], cube[2, :, 41], equal_nan=True)


def test_a_base_only_copy_needs_no_details(monkeypatch: pytest.MonkeyPatch, set_head: Callable[[int], None]) -> None:
    """Masks that lie apart have checksums of their own, so a copy of a URL takes two requests; it has no flag."""
    monkeypatch.setattr(writer, "_NEAR_BYTES", 1 << 10)
    data = compressed(fits_bytes(sparse()))
    set_head(start_of(data, "BASE"))
    near, far = io.BytesIO(), io.BytesIO()
    radcodec.preview(data, near, base_only=True)
    with web_server({"a.rcz": data}) as (url, traffic):
        found = radcodec.preview(f"{url}/a.rcz", far, base_only=True)
        assert (traffic.gets, traffic.round_trips) == (2, 2)
        assert traffic.body_bytes <= start_of(data, "TILES")
    assert far.getvalue() == near.getvalue()
    assert near.getvalue()[12] == 1
    assert np.array_equal(found, radcodec.preview(data), equal_nan=True)


def test_both_decoders_read_a_base_only_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a copy of a file with masks apart restores to is the same for both."""
    monkeypatch.setattr(writer, "_NEAR_BYTES", 0)
    data, _ = small_file()
    copy, out = io.BytesIO(), io.BytesIO()
    radcodec.preview(data, copy, base_only=True)
    radcodec.decompress(io.BytesIO(copy.getvalue()), out, threads=1)
    assert reference_decoder.decode_file(copy.getvalue()) == out.getvalue()


def test_damage_of_a_mask_is_seen_by_a_preview(small_blocks: None) -> None:
    """A preview compares the checksums of masks that lie apart."""
    data = bytearray(compressed(fits_bytes(sparse())))
    data[start_of(bytes(data), "BASE") + 3] ^= 1
    with pytest.raises(radcodec.CorruptError, match="the checksum of the mask of tile 0 of image 0"):
        radcodec.preview(bytes(data))
    with pytest.raises(radcodec.CorruptError, match="the checksum of the mask of tile 0 of image 0"):
        radcodec.preview(bytes(data), io.BytesIO(), base_only=True)


def test_other_files_stay_as_they_are() -> None:
    """Masks lie beside their tiles where few details are between them, or there is no base layer."""
    content = fits_bytes(sparse())
    assert compressed(content)[12] == 0
    assert compressed(content, preview=0)[12] == 0


def test_masks_move_behind_a_megabyte_of_details() -> None:
    """A file of 1.3 MB of details has its masks apart if one is in the last tile, not if one is in the first."""
    noise = np.random.default_rng(3).normal(size=(704, 640)).astype(np.float32)
    options: dict[str, Any] = {"preview": 2, "tile": 128, "verify": False}
    first, last = noise.copy(), noise.copy()
    first[2, 3:9] = last[-2, -9:-3] = np.nan
    files = compressed(fits_bytes(first), **options), compressed(fits_bytes(last), **options)
    assert [data[12] for data in files] == [0, FLAG_APART]
    assert all(len(data) > 1_200_000 for data in files)


def test_a_preview_of_a_long_file_without_the_flag_takes_three_requests(
    monkeypatch: pytest.MonkeyPatch, set_head: Callable[[int], None]
) -> None:
    """Where INDEX took a second request, masks beside their tiles and the base layer are one request."""
    data = compressed(fits_bytes(sparse()))
    assert data[12] == 0
    monkeypatch.setattr(remote, "_GAP_BYTES", 16)
    set_head(start_of(data, "INDEX"))
    with web_server({"a.rcz": data}) as (url, traffic):
        found = radcodec.preview(f"{url}/a.rcz", threads=1)
        assert traffic.gets <= 3
    assert np.array_equal(found, radcodec.preview(data), equal_nan=True)


def small_file(**options: Any) -> tuple[bytes, bytes]:
    """A file of four tiles that have masks in two, and the FITS file in it."""
    image = simulate_image((32, 32), seed=4)
    image[:2, :5] = image[20:22, 20:25] = np.nan
    content = fits_bytes(image)
    return compressed(content, **({"tile": 16, "preview": 40} | options)), content


@pytest.mark.parametrize("repaired", [False, True])
def test_damage_gives_an_error_or_the_right_pixels(monkeypatch: pytest.MonkeyPatch, repaired: bool) -> None:
    """A flipped bit anywhere from INDEX on, with its checksums right or wrong, is refused by both, or harmless."""
    monkeypatch.setattr(writer, "_NEAR_BYTES", 0)
    data, content = small_file()
    assert data[12] == FLAG_APART
    assert repair(data) == data
    rng = np.random.default_rng(5)
    # Of INDEX and masks, and some bytes of what follows.
    first, stop = start_of(data, "INDEX"), start_of(data, "BASE") + bytes_of_masks(data)
    places = [*rng.integers(first, stop, 60).tolist(), *rng.integers(stop, len(data), 10).tolist()]
    rejected = 0
    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= 1 << int(rng.integers(8))
        mutant = repair(bytes(damaged)) if repaired else bytes(damaged)
        out = io.BytesIO()
        try:
            radcodec.decompress(io.BytesIO(mutant), out, threads=1)
        except radcodec.FormatError:
            rejected += 1
            with pytest.raises(reference_decoder.RejectError):
                reference_decoder.decode_file(mutant)
        else:
            assert out.getvalue() == content
            assert reference_decoder.decode_file(mutant) == content
    # A checksum that is made right again was no damage.
    assert rejected > 0.4 * len(places)


@pytest.mark.parametrize("flags", [0, 17, 18, 19, 24, 48])
def test_the_flag_binds(monkeypatch: pytest.MonkeyPatch, flags: int) -> None:
    """A file with masks apart that does not say so, or says something beside it, is refused by both decoders."""
    monkeypatch.setattr(writer, "_NEAR_BYTES", 0)
    data, _ = small_file()
    parts = split(data)
    assert parts is not None
    forged = join(replace(parts, flags=flags))
    with pytest.raises(radcodec.FormatError):
        radcodec.decompress(io.BytesIO(forged), io.BytesIO())
    with pytest.raises(reference_decoder.RejectError):
        reference_decoder.decode_file(forged)


def test_the_size_is_known_before_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The computed size, which bit-rates are made with, is that of the written file."""
    monkeypatch.setattr(writer, "_NEAR_BYTES", 0)
    sizes: list[tuple[int, int]] = []
    write = writer.write_file

    def watch(out: Any, contents: Any, **options: Any) -> int:
        sizes.append((writer.size_bytes(contents, **options), write(out, contents, **options)))
        return sizes[-1][1]

    monkeypatch.setattr("radcodec.encoding.encoded_file.write_file", watch)
    data, content = small_file()
    assert data[12] == FLAG_APART
    assert sizes
    assert all(computed == written for computed, written in sizes)
    assert hashlib.sha256(reference_decoder.decode_file(data)).digest() == hashlib.sha256(content).digest()
