"""Bounded and lossy mode on FITS files of every type and shape, checked by astropy in physical units."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits

import radcodec
from radcodec.simulate import simulate_image

Array = npt.NDArray[Any]
BLANK = -77
KINDS = (8, 16, 32, 64, -32, -64)
# (shape, slowest axis first) of 1-D to 6-D images, some axes of length one in the middle and at the ends.
SHAPES = ((700,), (40, 44), (1, 40, 44), (1, 1, 40, 44), (3, 1, 30, 24), (2, 1, 2, 20, 24), (1, 2, 1, 3, 16, 20))


def sky(shape: tuple[int, ...], seed: int = 1) -> npt.NDArray[np.float64]:
    """Simulated planes in Jy/beam, float64 of any shape; each plane is a little brighter than the one before."""
    height, width = (1, shape[-1]) if len(shape) == 1 else shape[-2:]
    count = int(np.prod(shape)) // (height * width)
    planes = [simulate_image((height, width), seed=seed + i).astype("f8") * (1 + 0.25 * i) for i in range(count)]
    return np.stack(planes).reshape(shape)


def stored_samples(bitpix: int, shape: tuple[int, ...]) -> tuple[Array, float, float]:
    """Stored samples with some that are undefined, and BSCALE and BZERO."""
    values = sky(shape)
    if bitpix < 0:
        samples = values.astype(f"f{-bitpix // 8}")
        flat = samples.reshape(-1)
        flat[:5] = np.nan
        flat.view(f"u{-bitpix // 8}")[7] = {-32: 0x7FC12345, -64: 0x7FF8000000ABCDEF}[bitpix]
        flat[9:12] = [np.inf, -np.inf, -0.0]
        return samples, 1.0, 0.0
    if bitpix == 8:
        samples = np.clip(values / 2e-5 + 60, 0, 254).astype("u1")
        samples.reshape(-1)[:9] = 255
        return samples, 2e-5, -60 * 2e-5
    scale = {16: 3e-6, 32: 1.7e-9, 64: 2.0**-60}[bitpix]
    largest = 2.0 ** (bitpix - 1)
    samples = np.rint(np.clip(values / scale, 8 - largest, largest - 1025)).astype(f"i{bitpix // 8}")
    samples.reshape(-1)[:9] = BLANK
    return samples, scale, 0.001


def image_hdu(samples: Array, scale: float, zero: float, *, extension: bool, name: str = "") -> bytes:
    """One image HDU, written card by card so that nothing is rescaled on the way."""
    kind = {"u": 8, "i": 8 * samples.itemsize, "f": -8 * samples.itemsize}[samples.dtype.kind]
    cards = [f"{'XTENSION':<8}= 'IMAGE   '" if extension else f"{'SIMPLE':<8}= {'T':>20}", f"{'BITPIX':<8}= {kind:>20}"]
    cards.append(f"{'NAXIS':<8}= {samples.ndim:>20}")
    cards += [f"{f'NAXIS{i}':<8}= {n:>20}" for i, n in enumerate(reversed(samples.shape), start=1)]
    cards += [f"{'PCOUNT':<8}= {0:>20}", f"{'GCOUNT':<8}= {1:>20}"] if extension else []
    cards.append(f"{'BUNIT':<8}= 'Jy/beam '")
    if scale != 1.0 or zero != 0.0:
        cards += [f"{'BSCALE':<8}= {scale!r:>20}".replace("e", "E"), f"{'BZERO':<8}= {zero!r:>20}".replace("e", "E")]
    if kind > 0:
        cards.append(f"{'BLANK':<8}= {255 if kind == 8 else BLANK:>20}")
    if name:
        cards.append(f"{'EXTNAME':<8}= '{name:<8}'")
    header = "".join(card.ljust(80) for card in [*cards, "END"]).encode("ascii")
    data = samples.astype(samples.dtype.newbyteorder(">")).tobytes()
    return header + b" " * (-len(header) % 2880) + data + b"\0" * (-len(data) % 2880)


def there_and_back(content: bytes, **options: Any) -> tuple[radcodec.Report, bytes, bytes]:
    """Report, .rcz file and restored FITS file."""
    packed, restored = io.BytesIO(), io.BytesIO()
    options.setdefault("preview", 0)
    report = radcodec.compress(io.BytesIO(content), packed, threads=2, **options)
    packed.seek(0)
    radcodec.decompress(packed, restored, threads=2)
    radcodec.verify(packed.getvalue(), against=io.BytesIO(content))
    return report, packed.getvalue(), restored.getvalue()


def stored_of(content: bytes, number: int = 0) -> Array:
    """Stored samples of an HDU, native, as astropy reads them without scaling."""
    with fits.open(io.BytesIO(content), do_not_scale_image_data=True) as hdus:
        data = hdus[number].data
        return data.astype(data.dtype.newbyteorder("="))


def card_of(content: bytes, keyword: str, number: int = 0) -> Any:
    """Value of a card of an HDU; None where it is absent or undefined."""
    with fits.open(io.BytesIO(content)) as hdus:
        value = hdus[number].header.get(keyword)
        return None if isinstance(value, fits.card.Undefined) else value


def check_bound(before: bytes, after: bytes, error: float, number: int = 0) -> Array:
    """Stored samples afterwards, whose undefined ones are the same bits and the others within ``error``."""
    old, new = stored_of(before, number), stored_of(after, number)
    assert (old.shape, old.dtype) == (new.shape, new.dtype)
    scale, zero = card_of(before, "BSCALE", number) or 1.0, card_of(before, "BZERO", number) or 0.0
    exact = ~np.isfinite(old) if old.dtype.kind == "f" else old == card_of(before, "BLANK", number)
    assert exact.any()
    assert old[exact].tobytes() == new[exact].tobytes()
    # Physical values in float64, as the promise is worded: no tolerance.
    physical_old, physical_new = (zero + scale * part[~exact].astype("f8") for part in (old, new))
    assert np.abs(physical_new - physical_old).max() <= error
    # And in 80 bits for the stored values, where 64-bit integers do not fit into float64.
    wide_old, wide_new = old[~exact].astype(np.longdouble), new[~exact].astype(np.longdouble)
    slack = 0.0 if scale == 1.0 else 2 * np.spacing(np.abs(physical_old).max() + abs(zero))
    assert (np.abs(wide_new - wide_old) * np.longdouble(abs(scale))).max() <= np.longdouble(error) + slack
    if old.dtype.kind == "f":
        zeros = (old == 0) & np.signbit(old)
        assert old[zeros].tobytes() == new[zeros].tobytes()
    return new


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{len(shape)}d-{'x'.join(map(str, shape))}")
@pytest.mark.parametrize("bitpix", KINDS)
def test_absolute_bound(bitpix: int, shape: tuple[int, ...]) -> None:
    """Every type and number of axes: within the bound, undefined pixels exact, provenance in the header."""
    before = image_hdu(*stored_samples(bitpix, shape), extension=False)
    report, packed, after = there_and_back(before, max_error=4.1e-5)
    assert (report.mode, report.max_error, report.max_error_sigma) == ("bounded", 4.1e-5, None)
    check_bound(before, after, 4.1e-5)
    assert len(packed) < len(before)
    assert (card_of(after, "RCZMODE"), card_of(after, "RCZMAXE")) == ("bounded", 4.1e-5)
    assert card_of(after, "RCZVERS") == radcodec.__version__
    assert card_of(after, "RCZSIGMA") is None


@pytest.mark.parametrize("bitpix", KINDS)
@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("41uJy/beam", {}),
        ("0.25sigma", {}),
        ("0.25localsigma", {}),
        ("0.5sigma", {"sigma": 1e-4}),
        ("0.25sigma", {"dither": True}),
    ],
)
def test_other_bounds(bitpix: int, text: str, options: dict[str, Any]) -> None:
    """Bounds with a unit, in sigma and local sigma, with a given noise and with dither: kept in physical units."""
    before = image_hdu(*stored_samples(bitpix, (3, 90, 100)), extension=False)
    report, _, after = there_and_back(before, max_error=text, **options)
    assert report.max_error is not None
    check_bound(before, after, report.max_error)
    if text.startswith("41"):
        assert report.max_error == pytest.approx(41e-6, rel=1e-15)
    elif "sigma" in options:
        assert report.max_error == 0.5e-4
    else:
        # The simulated noise is 1.5e-4 in the first plane and grows by a quarter from plane to plane.
        factor = report.max_error_sigma
        assert factor == 0.25
        assert factor * 1.2e-4 < report.max_error < factor * 1.5e-4 * 1.5 * 1.6
        assert card_of(after, "RCZSIGMA") == report.sigma


def test_sigma_of_each_plane() -> None:
    """A bound in sigma holds for each plane with the plane's own noise, not with the noisiest one's."""
    planes = np.stack([simulate_image((96, 96), seed=3, noise_rms=rms) for rms in (1e-5, 1e-3)])
    planes[:, 0, 0] = np.nan
    before = image_hdu(planes, 1.0, 0.0, extension=False)
    _, _, after = there_and_back(before, max_error="0.25sigma")
    difference = np.abs(stored_of(after).astype("f8") - planes.astype("f8"))
    assert np.nanmax(difference[0]) < 0.25 * 1.6e-5
    assert 0.25 * 5e-4 < np.nanmax(difference[1]) < 0.25 * 1.6e-3


def all_sorts() -> bytes:
    """A file of an empty primary HDU, images of two types, a table and bytes that belong to nothing."""
    primary = fits.PrimaryHDU()
    table = fits.BinTableHDU.from_columns(
        [fits.Column("ra", "D", array=np.arange(40.0)), fits.Column("name", "8A", array=["source"] * 40)], name="CAT"
    )
    out = io.BytesIO()
    primary.writeto(out)
    first = image_hdu(*stored_samples(16, (1, 50, 60)), extension=True, name="SCALED")
    second = image_hdu(*stored_samples(-64, (50, 60)), extension=True, name="DOUBLE")
    holder = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(holder)
    return out.getvalue() + first + holder.getvalue()[2880:] + second + b"left over"


@pytest.mark.parametrize("options", [{"max_error": "0.25sigma"}, {"lossy": True}])
def test_all_sorts_of_units(options: dict[str, Any]) -> None:
    """Image extensions are coded; the primary HDU, the table and the rest come back byte for byte."""
    before = all_sorts()
    report, _, after = there_and_back(before, **options)
    assert [hdu["kind"] for hdu in report.hdus[:4]] == ["empty", "image", "table", "image"]
    assert after.endswith(b"left over")
    assert after[:2880] == before[:2880]
    with fits.open(io.BytesIO(after[:-9])) as new, fits.open(io.BytesIO(before[:-9])) as old:
        assert new[2].header == old[2].header
        assert new[2].data.tobytes() == old[2].data.tobytes()
        assert [hdu.name for hdu in new] == [hdu.name for hdu in old]
        assert new[1].header["RCZMODE"] == report.mode
        assert "RCZMODE" not in new[0].header
        assert "RCZMODE" not in new[2].header
    if report.mode == "bounded":
        for number in (1, 3):
            check_bound(before[:-9], after[:-9], report.hdus[number]["max_error"], number)


@pytest.mark.parametrize("bitpix", KINDS)
def test_lossy_stages(bitpix: int) -> None:
    """More stages are closer to the image; undefined pixels are exact; the model is named in the header."""
    before = image_hdu(*stored_samples(bitpix, (1, 120, 100)), extension=False)
    old = stored_of(before)
    exact = ~np.isfinite(old) if bitpix < 0 else old == card_of(before, "BLANK")
    errors = []
    for stages in (1, 2):
        report, _, after = there_and_back(before, lossy_stages=stages)
        new = stored_of(after)
        assert old[exact].tobytes() == new[exact].tobytes()
        assert report.model is not None
        assert (card_of(after, "RCZMODE"), card_of(after, "RCZMODEL")) == ("lossy", report.model["name"])
        assert str(card_of(after, "RCZSHA")).startswith(report.model["sha256"][:16])
        errors.append(float(np.sqrt(np.mean((new[~exact].astype("f8") - old[~exact].astype("f8")) ** 2))))
    assert errors[1] < errors[0]


@pytest.mark.parametrize("bitpix", [16, -32])
@pytest.mark.parametrize("factor", [1.02, 1.5, 3.0, 20.0])
def test_bit_rate_is_never_exceeded(bitpix: int, factor: float) -> None:
    """The whole file is at most as long as --bpp allows; a rate below the smallest possible one is refused."""
    before = image_hdu(*stored_samples(bitpix, (200, 220)), extension=False)
    with pytest.raises(radcodec.BoundError, match="expected at least") as caught:
        there_and_back(before, lossy_bpp=1e-4)
    smallest = float(str(caught.value).split("at least ")[1].split()[0])
    report, packed, _ = there_and_back(before, lossy_bpp=smallest * factor)
    assert 8 * len(packed) <= smallest * factor * 200 * 220
    assert report.bits_per_pixel == 8 * len(packed) / (200 * 220)


def with_checksums(bitpix: int) -> bytes:
    """An image with right DATASUM and CHECKSUM cards."""
    out = io.BytesIO()
    samples = stored_samples(bitpix, (60, 50))[0]
    hdu = fits.PrimaryHDU(samples)
    hdu.header["BUNIT"] = "Jy/beam"
    hdu.writeto(out, checksum=True)
    return out.getvalue()


@pytest.mark.parametrize("options", [{"max_error": 40.0}, {"lossy": True}])
@pytest.mark.parametrize("bitpix", [16, -32])
def test_right_checksums_stay_right(bitpix: int, options: dict[str, Any]) -> None:
    """Checksums that were right are right for the pixels that come back: astropy has nothing to complain of."""
    before = with_checksums(bitpix)
    options = {"max_error": 3e-5} if bitpix < 0 and "max_error" in options else options
    report, _, after = there_and_back(before, **options)
    assert report.warnings == ()
    assert after != before
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(io.BytesIO(after), checksum=True) as hdus:
            assert hdus[0].header["CHECKSUM"]
            assert hdus[0].data.shape == (60, 50)


@pytest.mark.parametrize("keyword", ["DATASUM", "CHECKSUM"])
def test_wrong_checksums_are_left_with_a_warning(keyword: str) -> None:
    """A checksum that was wrong stays as it was, letter by letter, and the report warns of it."""
    before = with_checksums(-32)
    place = before.index(keyword.encode("ascii"))
    card = before[place : place + 80]
    wrong = card.replace(card[11:15], b"1234", 1)
    before = before[:place] + wrong + before[place + 80 :]
    report, _, after = there_and_back(before, max_error=3e-5)
    assert wrong in after
    assert any(keyword in warning and "wrong" in warning for warning in report.warnings)
    lossless, _, again = there_and_back(before)
    assert again == before
    assert lossless.warnings == ()


@pytest.mark.parametrize("bitpix", KINDS)
def test_generation_loss(bitpix: int) -> None:
    """Coding a bounded file again at the same step changes no byte of it."""
    before = image_hdu(*stored_samples(bitpix, (2, 70, 80)), extension=False)
    _, _, once = there_and_back(before, max_error=6e-5)
    _, _, twice = there_and_back(once, max_error=6e-5)
    assert stored_of(once).tobytes() == stored_of(twice).tobytes()
    assert once == twice
