"""Files that take planes as they come: every mode, what is refused, and that the file is like any other."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import reference_decoder as ref
from astropy.io import fits

import radcodec
from radcodec.simulate import simulate_image

SHAPE = (48, 40)
HEADER = {"OBJECT": "night sky", "BUNIT": "Jy/beam", "EXPTIME": (2.5, "seconds")}


def planes_of(count: int) -> npt.NDArray[np.float32]:
    """Planes of different sources and of noise that grows."""
    return np.stack([simulate_image(SHAPE, seed=seed) * np.float32(1 + seed / 10) for seed in range(count)])


def written(path: Path, planes: npt.NDArray[Any], **options: Any) -> radcodec.Report:
    """Planes written one by one; the report."""
    with radcodec.create(path, shape=(None, *planes.shape[1:]), dtype=planes.dtype, **options) as stream:
        for plane in planes:
            stream.append(plane)
    report = stream.report
    assert report is not None
    return report


MODES: dict[str, dict[str, Any]] = {
    "lossless": {},
    "absolute": {"max_error": 4e-5},
    "unit": {"max_error": "40 uJy/beam"},
    "sigma": {"max_error": "0.25sigma"},
    "localsigma": {"max_error": "0.25localsigma"},
    "dither": {"max_error": "0.5sigma", "dither": True},
    "given": {"max_error": "0.25sigma", "sigma": 2e-4},
    "deep": {"max_error": "0.25sigma", "tile": "24x20x3"},
    "deep_dither": {"max_error": "0.25sigma", "tile": "24x20x3", "dither": True},
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_keeps_its_promise(mode: str, tmp_path: Path) -> None:
    """The file verifies, keeps its bound, and the reference decoder restores what the library does."""
    planes, path = planes_of(4), tmp_path / "night.rcz"
    planes[1, 3, 4:9] = np.nan
    report = written(path, planes, header=HEADER, **MODES[mode])
    assert not (tmp_path / "night.rcz.part").exists()
    radcodec.verify(path)
    out = io.BytesIO()
    radcodec.decompress(path, out)
    assert ref.decode_file(path.read_bytes()) == out.getvalue()
    with fits.open(io.BytesIO(out.getvalue())) as hdus:
        restored, header = np.asarray(hdus[0].data), hdus[0].header
        assert header["OBJECT"] == "night sky"
        assert header.comments["EXPTIME"] == "seconds"
        assert (header["NAXIS3"], header["NAXIS"]) == (4, 3)
        assert ("RCZMAXE" in header) == (mode != "lossless")
    assert np.array_equal(np.isnan(restored), np.isnan(planes))
    error = np.nanmax(np.abs(restored.astype("f8") - planes.astype("f8")), axis=(1, 2))
    if mode == "lossless":
        assert restored.astype("f4").tobytes() == planes.tobytes()
        assert report.mode == "lossless"
        return
    assert report.mode == "bounded"
    assert report.max_error is not None
    assert 0 < error.max() <= report.max_error
    known = {"absolute": 4e-5, "unit": float(np.float64(40) * 1e-6), "given": 0.25 * 2e-4}
    if mode in known:
        assert report.max_error == pytest.approx(known[mode], rel=1e-12)
        assert (error <= report.max_error).all()


def test_a_bound_in_sigma_is_that_of_each_plane(tmp_path: Path) -> None:
    """Each plane has the bound of its own noise: that of the whole image as compress measures it, within its grid."""
    planes, path = planes_of(4), tmp_path / "night.rcz"
    written(path, planes, max_error="0.25sigma")
    noise = []
    for plane in planes:
        packed = radcodec.encode(plane, max_error="0.25sigma")
        noise.append(radcodec.open(packed).info.max_error)
    with radcodec.open(path) as file:
        error = np.abs(file[:].astype("f8") - planes.astype("f8")).max(axis=(1, 2))
    assert (error <= noise).all()
    assert (error >= 0.9 * np.array(noise)).all()


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f8", ">f4"])
def test_every_dtype_comes_back(dtype: str, tmp_path: Path) -> None:
    """Unsigned types and int8 are stored as FITS stores them, and come back as astropy and radcodec.open give them."""
    kind = np.dtype(dtype)
    rng = np.random.default_rng(3)
    if kind.kind == "f":
        planes = rng.normal(size=(2, 9, 11)).astype(kind)
    else:
        limits = np.iinfo(kind)
        planes = rng.integers(limits.min, limits.max, (2, 9, 11), dtype=kind, endpoint=True)
    path = tmp_path / "a.rcz"
    written(path, planes)
    with radcodec.open(path) as file:
        found = file[:]
        assert found.dtype == kind.newbyteorder("=")
        assert np.array_equal(found, planes)
    assert isinstance(ref.decode_file(path.read_bytes()), bytes)


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "f8"])
def test_every_dtype_keeps_a_bound(dtype: str, tmp_path: Path) -> None:
    """Bounds are in the units of the values, whatever type FITS stores them in."""
    kind = np.dtype(dtype)
    low = 0 if kind.kind == "u" else -100
    planes = np.random.default_rng(4).normal(low + 60, 20, (2, 32, 30)).clip(low, low + 120).astype(kind)
    path = tmp_path / "a.rcz"
    written(path, planes, max_error=3, force=True)
    with radcodec.open(path) as file:
        error = np.abs(file[:].astype("f8") - planes.astype("f8")).max()
    assert 1 < error <= 3
    assert isinstance(ref.decode_file(path.read_bytes()), bytes)


def test_several_planes_at_once_and_more_axes(tmp_path: Path) -> None:
    """A frame may have planes of its own, and frames may come together: the file is the same as one by one."""
    cube = planes_of(12).reshape(4, 3, *SHAPE)
    one, several = tmp_path / "one.rcz", tmp_path / "several.rcz"
    written(one, cube, max_error="0.25sigma")
    with radcodec.create(several, shape=(None, 3, *SHAPE), dtype="f4", max_error="0.25sigma") as stream:
        stream.append(cube[:3])
        stream.append(cube[3])
        assert stream.n_planes == 4
    assert one.read_bytes() == several.read_bytes()
    with radcodec.open(one) as file:
        assert file.shape == cube.shape


def test_every_command_reads_the_file(tmp_path: Path) -> None:
    """Cut-outs, pictures, the virtual FITS file and a lazy astropy file give what decoding all of it does."""
    planes, path = planes_of(5), tmp_path / "night.rcz"
    header = {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CRPIX1": 20.0, "CDELT1": -1e-3, "CDELT2": 1e-3}
    written(path, planes, header=header, tile=16)
    with radcodec.open(path) as file:
        assert np.array_equal(file[3, 10:20, 5:9], planes[3, 10:20, 5:9])
        assert np.array_equal(file.hdulist()[0].section[2, 1:4], planes[2, 1:4])
        assert file.info.restored_sha256 is None
        whole = file.fits_file().read()
        assert file.quick_look(2).pixels.shape == SHAPE
    out = io.BytesIO()
    radcodec.decompress(path, out)
    assert whole == out.getvalue()
    radcodec.cutout(path, tmp_path / "c.fits", "5:30,10:40,1:3")
    with fits.open(tmp_path / "c.fits") as hdus:
        assert np.array_equal(hdus[0].data, planes[1:3, 10:40, 5:30])
        assert hdus[0].header["CRPIX1"] == 15.0


def test_constant_and_blank_planes(tmp_path: Path) -> None:
    """Planes without noise stay exact, in a file that is bounded elsewhere; a file of them alone is lossless."""
    planes = planes_of(4)
    planes[0], planes[2] = 7.0, np.nan
    path = tmp_path / "night.rcz"
    report = written(path, planes, max_error="0.25sigma")
    assert report.mode == "bounded"
    assert any("stored exactly" in warning for warning in report.warnings)
    with radcodec.open(path) as file:
        found = np.stack([file[0], file[2]])
    assert found.astype("f4").tobytes() == planes[[0, 2]].tobytes()
    radcodec.verify(path)
    report = written(tmp_path / "b.rcz", planes[[0, 2]], max_error="0.25localsigma")
    assert report.mode == "lossless"
    radcodec.verify(tmp_path / "b.rcz")
    assert isinstance(ref.decode_file((tmp_path / "b.rcz").read_bytes()), bytes)


def test_predictors_follow_the_planes(tmp_path: Path) -> None:
    """Planes that change their nature get predictors of their own, which both decoders find."""
    rng = np.random.default_rng(5)
    rough = rng.normal(size=(3, 64, 64)).astype("f4")
    smooth = rng.normal(size=(3, 64, 64)).cumsum(axis=1).cumsum(axis=2).astype("f4")
    path = tmp_path / "night.rcz"
    written(path, np.concatenate([rough, smooth, rough, smooth]), max_error=0.01)
    with radcodec.open(path) as file:
        block = file.reader.params[0].predictors
    assert block[0] > 1  # sets
    assert isinstance(ref.decode_file(path.read_bytes()), bytes)
    radcodec.verify(path)


def test_exact_planes_of_a_bounded_file(tmp_path: Path) -> None:
    """A plane whose exact form is smaller than its bounded one is stored exactly, beside others that are not."""
    planes = planes_of(3)
    planes[1] = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE) * np.float32(0.5)
    path = tmp_path / "night.rcz"
    report = written(path, planes, max_error=2e-5)
    assert report.mode == "bounded"
    with radcodec.open(path) as file:
        assert file[1].tobytes() == planes[1].tobytes()
        assert file[0].tobytes() != planes[0].tobytes()
    radcodec.verify(path)
    assert isinstance(ref.decode_file(path.read_bytes()), bytes)


def test_the_same_planes_give_the_same_bytes(tmp_path: Path) -> None:
    """The number of threads, and of planes at a time, changes no byte."""
    planes = planes_of(3)
    written(tmp_path / "a.rcz", planes, max_error="0.25sigma", threads=1, tile=16)
    written(tmp_path / "b.rcz", planes, max_error="0.25sigma", threads=3, tile=16)
    assert (tmp_path / "a.rcz").read_bytes() == (tmp_path / "b.rcz").read_bytes()


def test_headers_of_every_kind(tmp_path: Path) -> None:
    """A header of astropy, its text and its bytes give the same file; cards of the structure are the stream's own."""
    header = fits.Header({"OBJECT": "M 87", "NAXIS3": 99, "BITPIX": 16, "CHECKSUM": "0123456789abcdef"})
    header["HISTORY"] = "observed"
    header.add_comment("by night")
    text = header.tostring(sep="", endcard=False, padding=False)
    files = []
    for number, given in enumerate((header, text, text.encode())):
        path = tmp_path / f"{number}.rcz"
        written(path, planes_of(1), header=given)
        files.append(path.read_bytes())
    assert files[0] == files[1] == files[2]
    with radcodec.open(tmp_path / "0.rcz") as file:
        assert file.header["OBJECT"] == "M 87"
        assert file.header["HISTORY"][0] == "observed"
        assert (file.header["NAXIS3"], file.header["BITPIX"]) == (1, -32)
        assert "CHECKSUM" not in file.header


def test_scaled_samples(tmp_path: Path) -> None:
    """With BSCALE in the header planes are samples as stored, and the bound is in physical units."""
    rng = np.random.default_rng(6)
    planes = rng.normal(0, 50, (2, 40, 40)).round().astype("i2")
    header = {"BSCALE": 0.5, "BZERO": 10.0, "BLANK": -32768}
    path = tmp_path / "a.rcz"
    report = written(path, planes, header=header, max_error=4.0)
    assert report.max_error == 4.0
    with radcodec.open(path) as file:
        error = np.abs(file[:] - (planes * 0.5 + 10.0))
        assert 2.0 < error.max() <= 4.0


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"shape": (4, 5, 6)}, radcodec.InputError, "None for the number of planes"),
        ({"shape": (None, 5)}, radcodec.InputError, "at least y and x"),
        ({"shape": (None, 5, 0)}, radcodec.InputError, "at least 1 behind None"),
        ({"shape": (None, 5, None)}, radcodec.InputError, "at least 1 behind None"),
        ({"dtype": "c8"}, radcodec.UnsupportedDataError, "float32 or float64"),
        ({"dtype": "nonsense"}, radcodec.InputError, "a dtype such as"),
        ({"header": 5}, radcodec.InputError, "a header of astropy"),
        ({"header": {"TOO LONG A KEY": 1}}, radcodec.InputError, "FITS keyword"),
        ({"header": "OBJECT  = 'M 87'\nEND"}, radcodec.InputError, "line ends"),
        ({"header": {"A": object()}}, radcodec.InputError, "text, a number or a truth value"),
        ({"header": {"BZERO": 5}, "dtype": "u2"}, radcodec.InputError, "BZERO 32768"),
        ({"max_error": "20 uJy/beam"}, radcodec.BoundError, "names none"),
        ({"max_error": "auto"}, radcodec.BoundError, "found auto"),
        ({"max_error": "20sigma"}, radcodec.BoundError, "at most 10 times"),
        ({"tile": "8x8x600000"}, radcodec.InputError, "samples in a tile"),
        ({"dither": True}, radcodec.BoundError, "beside --dither"),
    ],
)
def test_what_makes_no_stream_is_refused(
    change: dict[str, Any], error: type[Exception], match: str, tmp_path: Path
) -> None:
    """A stream that cannot be is refused before there is a file, or with its first plane."""
    options: dict[str, Any] = {"shape": (None, *SHAPE), "dtype": "f4"} | change
    with pytest.raises(error, match=match), radcodec.create(tmp_path / "a.rcz", **options) as stream:
        stream.append(planes_of(1)[0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ("lossy", radcodec.InputError),
        ("preview", radcodec.InputError),
        ("lossy_stages", radcodec.InputError),
        ("hdu", TypeError),
    ],
)
def test_options_that_a_stream_does_not_have(option: str, error: type[Exception], tmp_path: Path) -> None:
    """What depends on the size of the whole file is refused, and the error says what to do instead."""
    with pytest.raises(error, match=option):
        radcodec.create(tmp_path / "a.rcz", shape=(None, 4, 4), dtype="f4", **{option: 1})
    assert list(tmp_path.iterdir()) == []


def test_planes_that_do_not_fit_are_refused_and_the_stream_goes_on(tmp_path: Path) -> None:
    """A plane of another shape or of a dtype that would lose bits is an error; it leaves the stream as it was."""
    planes, path = planes_of(2), tmp_path / "a.rcz"
    with radcodec.create(path, shape=(None, *SHAPE), dtype="f4") as stream:
        stream.append(planes[0])
        with pytest.raises(radcodec.InputError, match=r"a plane of the shape \(48, 40\)"):
            stream.append(planes[0].T)
        with pytest.raises(radcodec.InputError, match="found float64: convert"):
            stream.append(planes[0].astype("f8"))
        stream.append(planes[1].astype(">f4"))
        stream.append(np.ma.masked_greater(planes[0], 1e9))
    with radcodec.open(path) as file:
        assert np.array_equal(file[:2], planes)
    with pytest.raises(ValueError, match="was closed"):
        stream.append(planes[0])
    assert stream.close() is stream.report


def test_an_empty_stream_leaves_nothing(tmp_path: Path) -> None:
    """Without a plane there is no image: closing says so, and no file stays."""
    with (
        pytest.raises(radcodec.InputError, match="at least one plane"),
        radcodec.create(tmp_path / "a.rcz", shape=(None, 4, 4), dtype="f4"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_the_part_and_recover_gives_the_same_file(tmp_path: Path) -> None:
    """What an exception interrupts is restored as if the file had been closed after its last plane."""
    planes = planes_of(4)
    path, part = tmp_path / "a.rcz", tmp_path / "a.rcz.part"

    def record() -> None:
        options: dict[str, Any] = {"max_error": "0.25sigma", "header": HEADER}
        with radcodec.create(path, shape=(None, *SHAPE), dtype="f4", **options) as stream:
            for plane in planes[:3]:
                stream.append(plane)
            raise RuntimeError("the camera stopped")

    with pytest.raises(RuntimeError, match="camera") as caught:
        record()
    assert "radcodec recover" in caught.value.__notes__[0]
    assert not path.exists()
    with pytest.raises(radcodec.TruncatedError, match="radcodec recover"):
        radcodec.open(part)
    with pytest.raises(FileExistsError, match="radcodec recover"):
        radcodec.create(path, shape=(None, *SHAPE), dtype="f4")
    report = radcodec.recover(part, path)
    assert report.warnings == ()
    other = tmp_path / "b.rcz"
    written(other, planes[:3], max_error="0.25sigma", header=HEADER)
    assert path.read_bytes() == other.read_bytes()
    assert part.exists()
    with pytest.raises(FileExistsError, match="exists"):
        radcodec.recover(part, path)
    radcodec.recover(part, path, overwrite=True)


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    """Without overwrite a name that is taken is refused; one that is taken meanwhile leaves the part."""
    path = tmp_path / "a.rcz"
    written(path, planes_of(1))
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="exists"):
        radcodec.create(path, shape=(None, *SHAPE), dtype="f4")
    written(path, planes_of(2), overwrite=True)
    assert path.read_bytes() != before
    late = tmp_path / "late.rcz"
    stream = radcodec.create(late, shape=(None, *SHAPE), dtype="f4")
    stream.append(planes_of(1)[0])
    late.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="exists"):
        stream.close()
    assert late.read_bytes() == b"mine"
    report = radcodec.recover(tmp_path / "late.rcz.part", tmp_path / "c.rcz")
    assert report.warnings == ("the file was closed: it is copied unchanged",)


def test_a_plane_that_breaks_its_guarantee_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each plane is decoded before it is written: one that does not come back is an error, the others stay."""
    import radcodec.encoding.frame_coder as frame_coder

    planes, path = planes_of(3), tmp_path / "a.rcz"
    with radcodec.create(path, shape=(None, *SHAPE), dtype="f4") as stream:
        stream.append(planes[0])
        with monkeypatch.context() as patch:
            right = frame_coder.restore_tile
            patch.setattr(frame_coder, "restore_tile", lambda *given: right(*given) + np.float32(1))
            with pytest.raises(radcodec.GuaranteeError, match="its planes were not written"):
                stream.append(planes[1])
        stream.append(planes[2])
    with radcodec.open(path) as file:
        assert np.array_equal(file[:], planes[[0, 2]])


def test_a_blank_that_no_pixel_can_have(tmp_path: Path) -> None:
    """A BLANK out of the range of the samples stays in the header and marks nothing."""
    planes, path = np.arange(24, dtype="i2").reshape(2, 3, 4), tmp_path / "a.rcz"
    written(path, planes, header={"BLANK": 99999})
    radcodec.verify(path)
    with radcodec.open(path) as file:
        assert file.header["BLANK"] == 99999


def test_a_full_disk_keeps_the_planes_that_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where tiles are several planes deep, a failed write loses none of those before: the last is given again."""
    from radcodec.container.late_writer import LateWriter

    planes, path = planes_of(4), tmp_path / "a.rcz"
    with radcodec.create(path, shape=(None, *SHAPE), dtype="f4", tile="40x48x2") as stream:
        stream.append(planes[0])
        with monkeypatch.context() as patch:
            patch.setattr(LateWriter, "append", _refuse)
            with pytest.raises(OSError, match="no space"):
                stream.append(planes[1])
        stream.append(planes[1:])
    with radcodec.open(path) as file:
        assert np.array_equal(file[:], planes)


def _refuse(*_: object) -> None:
    raise OSError(28, "no space left on the device")


def test_an_interrupted_append_is_noticed_when_the_stream_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Ctrl-C between writing a plane and counting it cannot make a wrong file: the part has all planes."""
    from radcodec.encoding.stream_meta import StreamTotals

    planes, path = planes_of(3), tmp_path / "a.rcz"
    stream = radcodec.create(path, shape=(None, *SHAPE), dtype="f4")
    stream.append(planes[0])
    with monkeypatch.context() as patch:
        patch.setattr(StreamTotals, "add", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            stream.append(planes[1])
    stream.append(planes[2])
    with pytest.raises(radcodec.GuaranteeError, match="radcodec recover"):
        stream.close()
    assert not path.exists()
    radcodec.recover(stream.part_path, path)
    with radcodec.open(path) as file:
        assert np.array_equal(file[:], planes)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_part_is_closed_while_it_is_written(tmp_path: Path) -> None:
    """Recover also reads the part of a stream that goes on: what it has of it by then."""
    planes, path = planes_of(3), tmp_path / "a.rcz"
    with radcodec.create(path, shape=(None, *SHAPE), dtype="f4", sync=True) as stream:
        for number, plane in enumerate(planes, 1):
            stream.append(plane)
            assert stream.n_written == number
            radcodec.recover(stream.part_path, tmp_path / "now.rcz", overwrite=True)
            with radcodec.open(tmp_path / "now.rcz") as file:
                assert np.array_equal(file[:], planes[:number])
    assert sorted(os.listdir(tmp_path)) == ["a.rcz", "now.rcz"]
