"""Arrays and FITS files through the public functions."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import radcodec
from radcodec.simulate import simulate_fits

DTYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"]
HEADER_BYTES = 2880


def _bits(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(DTYPES), st.sampled_from("<>"))
def test_arrays_come_back_bit_for_bit(data: st.DataObject, dtype: str, order: str) -> None:
    """Any dtype, byte order, shape and bits (NaN payloads, -0.0, subnormals): the same, native and writable."""
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=12))
    raw = data.draw(hnp.arrays(f"u{dtype[1]}", shape))
    array = raw.view(dtype).astype(order + dtype) if raw.shape else np.asarray(raw).view(dtype).astype(order + dtype)
    found = radcodec.decode(radcodec.encode(array))
    assert (found.shape, found.dtype) == (array.shape, np.dtype(dtype))
    assert _bits(found) == _bits(array.astype(dtype) if dtype[0] != "f" else array)
    assert found.flags.writeable


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from(DTYPES), st.sampled_from([1e-3, 0.7, 3.0, 1e3]))
def test_bound_holds_for_every_array(data: st.DataObject, dtype: str, bound: float) -> None:
    """Finite samples are within E with no tolerance, others the same bits."""
    shape = data.draw(hnp.array_shapes(max_dims=3, max_side=12))
    array = data.draw(hnp.arrays(dtype, shape))
    found = radcodec.decode(radcodec.encode(array, max_error=bound))
    finite = np.isfinite(array)
    with np.errstate(over="ignore"):
        error = np.abs(found[finite].astype(np.float64) - array[finite].astype(np.float64))
    assert (error <= bound).all()
    assert _bits(found[~finite]) == _bits(array[~finite])


@pytest.mark.parametrize("value", [5e-324, 1e-254, 1e-170, 1e-40])
@pytest.mark.parametrize("options", [{}, {"dither": True}, {"smallest": True}])
def test_values_far_below_the_bound(value: float, options: dict[str, bool]) -> None:
    """An image of next to nothing, whose squares in steps are zero, is within any bound and no reason for a warning."""
    array = np.full((12, 13), value)
    array.flat[::3] *= 2
    array.flat[5] = 0
    for bound in (1e-3, 0.7):
        found = radcodec.decode(radcodec.encode(array, max_error=bound, **options))
        assert np.abs(found - array).max() <= bound
    assert radcodec.decode(radcodec.encode(array)).tobytes() == array.tobytes()


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """A smooth noisy image with a NaN corner, float32 [150, 170]."""
    rng = np.random.default_rng(7)
    white = rng.normal(size=(160, 180))
    smooth = sum(white[i : i + 150, j : j + 170] for i in range(4) for j in range(4)).astype(np.float32)
    smooth[:20, :30] = np.nan
    return smooth


@pytest.mark.slow
def test_bytes_do_not_depend_on_threads(noise: np.ndarray) -> None:
    """One and three threads write the same file."""
    files = {radcodec.encode(noise, tile=32, threads=n, max_error="0.25sigma") for n in (1, 3)}
    assert len(files) == 1


def test_strides_do_not_matter(noise: np.ndarray) -> None:
    """Views in any order are encoded as what they show."""
    view = noise[::-2, ::3].T
    assert _bits(radcodec.decode(radcodec.encode(view))) == _bits(view)


@pytest.mark.parametrize("bound", ["0.125sigma", "0.125localsigma"])
def test_bounds_in_sigma(noise: np.ndarray, bound: str) -> None:
    """The noise of a sum of 16 unit normals is 4, so that an eighth of it is 0.5."""
    found = radcodec.decode(radcodec.encode(noise, max_error=bound))
    error = np.nanmax(np.abs(found.astype(np.float64) - noise))
    assert 0.35 < error < 0.65


def test_given_noise_is_the_bound_exactly(noise: np.ndarray) -> None:
    """With sigma given, E is its product with the factor and recorded so."""
    with radcodec.open(radcodec.encode(noise, max_error="0.5sigma", sigma=0.25)) as file:
        assert (file.info.max_error, file.info.max_error_sigma, file.info.sigma) == (0.125, 0.5, 0.25)


@pytest.mark.slow
def test_dither_keeps_the_bound_and_changes_the_error(noise: np.ndarray) -> None:
    """Subtractive dither is within E too and gives another result."""
    plain, dithered = (radcodec.decode(radcodec.encode(noise, max_error=0.5, dither=on)) for on in (False, True))
    assert np.nanmax(np.abs(dithered.astype(np.float64) - noise)) <= 0.5
    assert (plain != dithered).sum() > noise.size // 2


@pytest.mark.slow
def test_reencoding_changes_nothing_more(noise: np.ndarray) -> None:
    """A bounded image encoded again at the same step is the same image."""
    once = radcodec.decode(radcodec.encode(noise, max_error=0.5))
    assert _bits(radcodec.decode(radcodec.encode(once, max_error=0.5))) == _bits(once)


def test_envelope_of_an_array_is_small() -> None:
    """What a stream of one tile takes beside its pixels is at most 250 bytes."""
    stream = radcodec.encode(np.float64(1.5))
    assert len(stream) <= 250
    with radcodec.open(radcodec.encode(np.arange(100.0), max_error="1sigma")) as file:
        envelope = file.info.size_bytes - sum(
            layer["bytes"] for layer in file.info.layers if layer["name"] in ("parameters", "masks", "detail")
        )
    assert envelope <= 250
    # With a base layer of six stages, its model's hash and its parameters; what is left are the coded stages.
    with radcodec.open(radcodec.encode(np.random.default_rng(1).normal(size=(96, 96)), lossy_bpp=1.0)) as file:
        layers = {layer["name"]: layer["bytes"] for layer in file.info.layers}
    assert file.info.size_bytes - layers["base"] <= 250


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"max_error": 0}, radcodec.BoundError, "above 0"),
        ({"max_error": "3parrot"}, radcodec.BoundError, "BUNIT"),
        ({"max_error": 1.0, "lossy": True}, radcodec.BoundError, "choose one"),
        ({"max_error": 1.0, "lossy_stages": 2}, radcodec.BoundError, "choose one"),
        ({"lossy_bpp": 1, "lossy_stages": 2}, radcodec.BoundError, "choose one"),
        ({"lossy_bpp": -1}, radcodec.BoundError, "bit-rate"),
        ({"lossy_stages": 0}, radcodec.BoundError, "stage"),
        ({"dither": True}, radcodec.BoundError, "largest error"),
        ({"sigma": 1.0}, radcodec.BoundError, "largest error"),
        ({"tile": 7}, radcodec.InputError, "tile size"),
        ({"preview": 51}, radcodec.InputError, "preview"),
        ({"threads": 0}, radcodec.InputError, "thread"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, object], error: type[Exception], match: str) -> None:
    """Unsound options are refused with an error that says what was expected."""
    with pytest.raises(error, match=match):
        radcodec.encode(np.zeros((4, 4), np.float32), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["?", "c8", "f2", "U3", "O", "M8[s]"])
def test_dtypes_that_are_not_supported(dtype: str) -> None:
    """Other dtypes are refused, not converted."""
    with pytest.raises(radcodec.UnsupportedDataError, match="expected an array of integers"):
        radcodec.encode(np.zeros(3, dtype))


def test_unknown_option_is_a_type_error() -> None:
    """A misspelt option is not ignored."""
    with pytest.raises(TypeError, match="max_eror"):
        radcodec.encode(np.zeros(3), max_eror=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("options", [{}, {"max_error": 0.5}, {"max_error": "0.5localsigma"}])
def test_damage_is_never_a_wrong_image(noise: np.ndarray, options: dict[str, object]) -> None:
    """A flipped bit or a missing end anywhere raises a FormatError."""
    data = radcodec.encode(noise[20:60, 30:60], **options)  # type: ignore[arg-type]
    for place in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[place] ^= 4
        for bad in (bytes(damaged), data[:place]):
            with pytest.raises(radcodec.FormatError, match=r"expected|checksum|match"):
                radcodec.decode(bad)


@pytest.fixture
def fits_file(tmp_path: Path) -> Path:
    """A simulated FITS file with an odd modification time."""
    path = tmp_path / "sky.fits"
    path.write_bytes(simulate_fits((64, 80), seed=3))
    os.utime(path, ns=(10**18, 10**18 + 7))
    return path


def test_fits_file_comes_back_byte_for_byte(fits_file: Path) -> None:
    """Compressed and restored under the default names: same bytes, same time, sound report."""
    report = radcodec.compress(fits_file, None, preview=0)
    packed = fits_file.with_name("sky.fits.rcz")
    assert (report.mode, report.kind, report.pixels) == ("lossless", "fits", 5120)
    assert report.size_bytes == packed.stat().st_size == sum(layer["bytes"] for layer in report.layers)
    assert report.bits_per_pixel == 8 * report.size_bytes / 5120
    original = fits_file.read_bytes()
    fits_file.unlink()
    radcodec.decompress(packed)
    assert fits_file.read_bytes() == original
    assert fits_file.stat().st_mtime_ns == packed.stat().st_mtime_ns == 10**18 + 7
    radcodec.verify(packed, against=fits_file)


def test_gzipped_fits_gives_the_plain_file(fits_file: Path, tmp_path: Path) -> None:
    """A gzipped file is read as the FITS file inside, and named without .gz."""
    zipped = tmp_path / "other.fits.gz"
    zipped.write_bytes(gzip.compress(fits_file.read_bytes()))
    radcodec.compress(zipped, preview=0)
    radcodec.decompress(tmp_path / "other.fits.rcz")
    assert (tmp_path / "other.fits").read_bytes() == fits_file.read_bytes()


def test_streams_work_as_files_do(fits_file: Path) -> None:
    """Binary streams in and out give what paths give."""
    packed, restored = io.BytesIO(), io.BytesIO()
    radcodec.compress(io.BytesIO(fits_file.read_bytes()), packed, preview=0)
    radcodec.decompress(io.BytesIO(packed.getvalue()), restored)
    assert restored.getvalue() == fits_file.read_bytes()


def test_bounded_fits_file(fits_file: Path, tmp_path: Path) -> None:
    """Pixels are within the bound, the header tells about it, the report too, and verify agrees."""
    from astropy.io import fits

    packed, restored = tmp_path / "b.rcz", tmp_path / "b.fits"
    report = radcodec.compress(fits_file, packed, max_error="0.25sigma", preview=0)
    radcodec.decompress(packed, restored)
    with fits.open(fits_file) as before, fits.open(restored) as after:
        error = np.abs(after[0].data.astype(np.float64) - before[0].data.astype(np.float64)).max()
        assert 0 < error <= report.max_error
        assert after[0].header["RCZMODE"] == "bounded"
        assert after[0].header["RCZMAXE"] == report.max_error
        kept = [card for card in after[0].header.cards if not card.keyword.startswith("RCZ")]
        assert [card.image for card in kept] == [card.image for card in before[0].header.cards]
    assert report.original_sha256 != report.restored_sha256
    radcodec.verify(packed, against=fits_file)
    radcodec.compress(fits_file, packed, overwrite=True, max_error="0.25sigma", preview=0, no_provenance=True)
    radcodec.decompress(packed, restored, overwrite=True)
    assert restored.read_bytes()[:HEADER_BYTES] == fits_file.read_bytes()[:HEADER_BYTES]


def test_verify_finds_another_original(fits_file: Path, tmp_path: Path) -> None:
    """Against a file with one pixel changed beyond the bound, verify says where."""
    for options in ({}, {"max_error": "0.25sigma"}):
        packed = tmp_path / "v.rcz"
        radcodec.compress(fits_file, packed, overwrite=True, preview=0, **options)  # type: ignore[arg-type]
        other = bytearray(fits_file.read_bytes())
        place = len(other) - 2880 - 64
        other[place : place + 4] = np.array([1e6], ">f4").tobytes()
        changed = tmp_path / "changed.fits"
        changed.write_bytes(other)
        with pytest.raises(radcodec.GuaranteeError, match=r"differs|tile 0"):
            radcodec.verify(packed, against=changed)


def test_open_gives_header_info_and_parts(fits_file: Path, tmp_path: Path) -> None:
    """An open file indexes like the array, and tells its header as the FITS file has it."""
    from astropy.io import fits

    packed = tmp_path / "o.rcz"
    radcodec.compress(fits_file, packed, tile=16, preview=0)
    with fits.open(fits_file) as hdus, radcodec.open(packed) as file:
        data = hdus[0].data.astype("f4").reshape(hdus[0].data.shape)
        assert file.shape == data.shape
        assert file.header_text.startswith("SIMPLE  =                    T")
        assert file.header["NAXIS1"] == 80
        for key in [np.s_[...], np.s_[5:9, 70:], np.s_[::-3, 4], np.s_[3], np.s_[-1, -1], np.s_[..., None, 2:2]]:
            assert np.array_equal(file[key], data[key])
        assert file.preview().shape == (64, 80)
    first = radcodec.decode(packed)
    assert _bits(first) == _bits(data)


def test_open_closes_only_what_it_opened(fits_file: Path, tmp_path: Path) -> None:
    """A file object that was given stays open."""
    packed = tmp_path / "o.rcz"
    radcodec.compress(fits_file, packed, preview=0)
    with packed.open("rb") as stream:
        radcodec.open(stream).close()
        assert not stream.closed


def test_cutout_is_the_rectangle_and_its_sky(fits_file: Path, tmp_path: Path) -> None:
    """The cut-out holds the pixels of the region, and each keeps its world coordinates."""
    from astropy.io import fits
    from astropy.wcs import WCS

    packed, cut = tmp_path / "c.rcz", tmp_path / "cut.fits"
    radcodec.compress(fits_file, packed, tile=16, preview=0)
    radcodec.cutout(packed, cut, "10:50,20:33")
    with fits.open(fits_file) as before, fits.open(cut) as after:
        assert np.array_equal(after[0].data, before[0].data[20:33, 10:50])
        whole, part = WCS(before[0].header).celestial, WCS(after[0].header).celestial
        assert np.allclose(part.wcs_pix2world([[3, 4]], 0), whole.wcs_pix2world([[13, 24]], 0), rtol=0, atol=1e-9)
    with pytest.raises(radcodec.InputError, match="within 0:80"):
        radcodec.cutout(packed, cut, "10:81,20:33", overwrite=True)


def test_array_stream_decompresses_to_minimal_fits(tmp_path: Path) -> None:
    """astropy reads an array's FITS file as that array, unsigned integers included."""
    from astropy.io import fits

    array = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
    radcodec.decompress(radcodec.encode(array), tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits") as hdus:
        assert np.array_equal(hdus[0].data, array)


def test_existing_files_are_left_alone(fits_file: Path, tmp_path: Path) -> None:
    """Nothing is overwritten unasked, and a failure leaves the old file and no temporary one."""
    packed = tmp_path / "x.rcz"
    packed.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="exists"):
        radcodec.compress(fits_file, packed)
    with pytest.raises(radcodec.BoundError, match="above 0"):
        radcodec.compress(fits_file, packed, overwrite=True, max_error=-1)
    with pytest.raises(radcodec.InputError, match="other than the input"):
        radcodec.compress(fits_file, fits_file, overwrite=True)
    assert packed.read_bytes() == b"precious"
    damaged = tmp_path / "d.rcz"
    stream = bytearray(radcodec.encode(np.arange(1000.0)))
    stream[-30] ^= 1
    damaged.write_bytes(stream)
    with pytest.raises(radcodec.CorruptError, match="checksum"):
        radcodec.decompress(damaged, tmp_path / "never.fits")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.rcz", "sky.fits", "x.rcz"]


def test_checksum_cards_that_were_right_stay_right(tmp_path: Path) -> None:
    """CHECKSUM and DATASUM of a bounded file are what astropy computes; a wrong one is left, with a warning."""
    from astropy.io import fits

    rng = np.random.default_rng(1)
    path, packed, restored = (tmp_path / name for name in ("s.fits", "s.rcz", "r.fits"))
    fits.PrimaryHDU(rng.normal(size=(40, 40)).astype(np.float32)).writeto(path, checksum=True)
    report = radcodec.compress(path, packed, max_error=0.1, preview=0)
    radcodec.decompress(packed, restored)
    assert report.warnings == ()
    with fits.open(restored, checksum=True) as hdus:
        assert hdus[0].verify_checksum() == 1
        assert hdus[0].verify_datasum() == 1
    wrong = bytearray(path.read_bytes())
    place = wrong.index(b"DATASUM = '") + len("DATASUM = '")
    wrong[place] = ord("1") if wrong[place] != ord("1") else ord("2")
    path.write_bytes(wrong)
    report = radcodec.compress(path, packed, max_error=0.1, preview=0, overwrite=True)
    assert any("DATASUM" in warning for warning in report.warnings)


def test_scaled_integers_are_bound_in_physical_units(tmp_path: Path) -> None:
    """E applies after BSCALE and BZERO; BLANK pixels stay BLANK."""
    from astropy.io import fits

    stored = np.random.default_rng(1).integers(-1000, 1000, (40, 50)).astype(np.int16)
    stored[3, 4] = -32768
    hdu = fits.PrimaryHDU(stored)
    hdu.header["BSCALE"], hdu.header["BZERO"], hdu.header["BLANK"], hdu.header["BUNIT"] = 0.1, 5.0, -32768, "JY/BEAM"
    path, packed = tmp_path / "i.fits", tmp_path / "i.rcz"
    hdu.writeto(path)
    radcodec.compress(path, packed, max_error="450mJy/beam", preview=0)
    found = radcodec.decode(packed)
    expected = 5.0 + 0.1 * stored.astype(np.float64)
    wrong = np.abs(found.astype(np.float64) - expected)
    assert np.isnan(found[3, 4])
    assert 0.3 < np.nanmax(np.delete(wrong.ravel(), 3 * 50 + 4)) < 0.4501
    radcodec.verify(packed, against=path)


@pytest.mark.slow
def test_estimate_is_a_ladder(fits_file: Path) -> None:
    """Bits a pixel fall and the noise added grows as the bound widens."""
    rows = [row for row in radcodec.estimate(fits_file) if row["mode"] != "lossy"]
    rates = [row["bits_per_pixel"] for row in rows]
    added = [row["noise_added_percent"] for row in rows]
    assert rows[0]["mode"] == "lossless"
    assert rates == sorted(rates, reverse=True)
    assert added == sorted(added)
    assert added[0] == 0
