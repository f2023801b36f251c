"""What a file says of itself binds: mode, flags, headers, sizes. Both decoders reject what contradicts itself."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reference_decoder as ref
from corruption.both import seed_file
from corruption.crafted import array_file, learned, params, predictor_block, record
from corruption.mutants import unpacked, with_section
from corruption.repair import Parts, as_stored, join, leb, repair_index, split

import radcodec
from radcodec.decoding.rcz_file import RczFile
from radcodec.simulate import simulate_fits, simulate_image

LOSSLESS, BOUNDED, LOSSY = 0, 1, 2


def check_rejected(parts: Parts, ours: str, theirs: str) -> None:
    """Both decoders reject a file, radcodec when it is opened; its checksums are made right."""
    data = join(repair_index(parts))
    for use in (radcodec.open, RczFile, radcodec.decode, lambda d: radcodec.verify(io.BytesIO(d))):
        with pytest.raises(radcodec.FormatError, match=ours):
            use(data)
    with pytest.raises(ref.RejectError, match=theirs):
        ref.decode_file(data)


def parts_of(name: str) -> Parts:
    """A sound file taken apart."""
    parts = split(seed_file(name))
    assert parts is not None
    return parts


FILES = ["array_lossless", "fits_preview", "array_bounded", "array_on_base", "array_lossy", "long_lossy"]
SHORT = "lossy array in a short file", "mode or flags of a short file"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("mode", [LOSSLESS, BOUNDED, LOSSY])
def test_the_mode_cannot_be_changed(name: str, mode: int) -> None:
    """A lossy file that says lossless, and any other change of the mode, is refused."""
    parts = parts_of(name)
    errors = SHORT if parts.short else ("says that it is", "lossy|bound and mode")
    if mode != parts.mode:
        check_rejected(replace(parts, mode=mode), *errors)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("mode", [LOSSLESS, BOUNDED, LOSSY])
def test_the_flag_of_a_copy_switches_no_check_off(name: str, mode: int) -> None:
    """Prelude flag bit 0 is for files without details and pixel CRCs, which have nothing to check pixels by."""
    parts = parts_of(name)
    errors = SHORT if parts.short and mode != LOSSY else ("base-only copy", "base-only copy")
    check_rejected(replace(parts, flags=parts.flags | 1, mode=mode), *errors)


@pytest.mark.parametrize("flags", [8, 9])
@pytest.mark.parametrize("name", ["array_lossless", "array_bounded", "array_on_base", "fits_preview", "long_lossy"])
def test_the_flag_of_a_short_file_switches_no_check_off(name: str, flags: int) -> None:
    """Prelude flag bit 3 is for lossy arrays alone, and META of another file is none of a short one."""
    parts = parts_of(name)
    errors = (".", ".") if name == "long_lossy" else SHORT
    check_rejected(replace(parts, flags=flags), *errors)
    check_rejected(replace(parts, flags=flags, kind=0, mode=LOSSY), ".", ".")


@pytest.mark.parametrize("flags", [0, 1, 2, 3, 10, 11, 12])
def test_a_short_file_without_its_flag_is_refused(flags: int) -> None:
    """What a short file leaves out is not left out of others; late and open files are never short."""
    check_rejected(replace(parts_of("array_lossy"), flags=flags), ".", ".")


def test_hashes_of_short_files_are_compared() -> None:
    """Of the SHA-256 of what is restored and of the model there are 8 bytes, all of which count."""
    parts = parts_of("array_lossy")
    meta = parts.sections["META"]
    for byte in range(8):
        data = join(with_section(parts, "META", meta[:byte] + bytes([meta[byte] ^ 1]) + meta[byte + 1 :]))
        with pytest.raises(radcodec.CorruptError, match="SHA-256"):
            radcodec.decode(data)
        with pytest.raises(ref.RejectError, match="SHA-256 of what is restored"):
            ref.decode_file(data)
    for byte in range(8, 16):
        data = join(with_section(parts, "META", meta[:byte] + bytes([meta[byte] ^ 1]) + meta[byte + 1 :]))
        with pytest.raises(radcodec.ModelError):
            radcodec.decode(data)
        with pytest.raises(ref.RejectError, match="model"):
            ref.decode_file(data)


@pytest.mark.parametrize("name", ["copy_preview", "copy_on_base", "copy_short"])
def test_a_copy_is_one(name: str) -> None:
    """A base-only copy is read; without its flag, and in another mode, it is refused."""
    parts = parts_of(name)
    with RczFile(join(parts)) as file:
        assert file.info.base_only
    errors = SHORT if parts.short else ("says that it is", "copy")
    for changed in (replace(parts, mode=BOUNDED), replace(parts, mode=LOSSLESS)):
        check_rejected(changed, *errors)
    if name in ("copy_preview", "copy_short"):  # lossy like any other then, and the checksums of its pixels do not hold
        data = join(replace(parts, flags=parts.flags & ~1))
        with pytest.raises(radcodec.CorruptError, match=r"do not match their checksum|details or more"):
            radcodec.decode(data)
        with pytest.raises(ref.RejectError, match=r"pixel CRC|bytes of details"):
            ref.decode_file(data)


@pytest.mark.parametrize("options", [{"max_error": "0.5sigma"}, {"lossy": True}, {"lossy_bpp": 40.0}])
def test_a_request_that_changes_nothing_gives_a_lossless_file(options: dict[str, Any]) -> None:
    """The mode is that of the content: a constant image has no noise to bound and no base layer."""
    array = np.full((24, 24), 2.5, "f4")
    data = radcodec.encode(array, **options)
    info = radcodec.open(data).info
    assert (info.mode, info.max_error, info.model) == ("lossless", None, None)
    assert radcodec.decode(data).tobytes() == array.tobytes()
    assert np.asarray(ref.decode_file(data)).tobytes() == array.tobytes()


@pytest.mark.parametrize("options", [{"max_error": "0.5sigma"}, {"lossy": True}])
def test_a_fits_file_that_nothing_changes_comes_back_byte_for_byte(options: dict[str, Any]) -> None:
    """No provenance card says that an exact image was changed."""
    content = simulate_fits((16, 16), seed=7)
    content = content[:2880] + bytes(1024 + 1856)
    out, back = io.BytesIO(), io.BytesIO()
    radcodec.compress(io.BytesIO(content), out, preview=0, **options)
    assert radcodec.open(out.getvalue()).info.mode == "lossless"
    radcodec.decompress(io.BytesIO(out.getvalue()), back)
    assert back.getvalue() == content == ref.decode_file(out.getvalue())


def test_only_changed_images_of_a_lossy_file_say_so() -> None:
    """Beside an image with noise a constant one stays exact, without provenance cards and without base stages."""
    noisy = simulate_fits((32, 32), seed=8)
    header = noisy[:2880].replace(b"SIMPLE  =                    T", b"XTENSION= 'IMAGE   '          ", 1)
    content = noisy + header + bytes(len(noisy) - 2880)
    out, back = io.BytesIO(), io.BytesIO()
    radcodec.compress(io.BytesIO(content), out, lossy=True)
    with radcodec.open(out.getvalue()) as file:
        assert [hdu["base_stages"] > 0 for hdu in file.info.hdus] == [True, False]
    radcodec.decompress(io.BytesIO(out.getvalue()), back)
    assert back.getvalue().count(b"RCZMODE ") == 1
    assert ref.decode_file(out.getvalue()) == back.getvalue()


def card(keyword: str, value: str) -> bytes:
    """A card of 80 bytes."""
    return f"{keyword:<8}= {value:>20}".ljust(80).encode("ascii")


HEADER_CHANGES = {
    "an axis": ("NAXIS1", "8"),
    "both axes exchanged": ("NAXIS", "1"),
    "the type": ("BITPIX", "32"),
    "the scale": ("BSCALE", "2.0"),
    "the zero": ("BZERO", "1.0"),
    "the unit": ("BUNIT", "'mJy'"),
    "the blank value": ("BLANK", "7"),
    "the name": ("EXTNAME", "'OTHER'"),
    "groups": ("GCOUNT", "2"),
    "SIMPLE": ("SIMPLE", "F"),
    "no end": ("END", "1"),
}


@pytest.mark.parametrize("what", HEADER_CHANGES)
def test_a_header_that_its_record_contradicts_is_refused(what: str) -> None:
    """NAXIS, BITPIX, BSCALE, BZERO, BLANK, BUNIT and EXTNAME of the header are those of the records."""
    keyword, value = HEADER_CHANGES[what]
    parts = parts_of("fits_scaled")
    raw = unpacked(parts, "META")
    assert raw is not None
    start = raw.index(b"SIMPLE  =")
    places = [at for at in range(start, len(raw), 80) if raw[at : at + 8].rstrip() == keyword.encode()]
    # A card that is not there takes the place of a blank one, or of a comment.
    unused = [at for at in range(start + 80, len(raw), 80) if raw[at : at + 4] in (b"    ", b"RCZV")]
    at = (places or unused)[-1 if keyword == "END" else 0]
    changed = raw[:at] + card("XEND" if keyword == "END" else keyword, value) + raw[at + 80 :]
    assert changed != raw
    check_rejected(with_section(parts, "META", b"\0" + changed), "contradicts|header", "header|HDU|image|END")


def changed_record(name: str, change: Callable[[bytes], bytes]) -> Parts:
    """Parts whose META is changed."""
    parts = parts_of(name)
    raw = unpacked(parts, "META")
    assert raw is not None
    return with_section(parts, "META", as_stored(parts, change(raw)))


def test_the_scale_of_a_record_is_that_of_the_header() -> None:
    """From the other side: a record with another BZERO would scale pixels otherwise than the header says."""
    meta = ref.read_meta(ref.unpack_section(parts_of("fits_scaled").sections["META"], True), 1)
    own, scale = struct.pack("<d", meta.images[0].bzero), struct.pack("<d", meta.images[0].bscale)
    assert meta.images[0].bscale != 1.0
    forged = changed_record("fits_scaled", lambda raw: raw.replace(scale + own, scale + struct.pack("<d", 12.5), 1))
    check_rejected(forged, "contradicts", "scaling")


@pytest.mark.parametrize("size", [0, 1, 16 * 16 * 4 + 1, (1 << 64) - 1])
def test_original_bytes_are_what_the_records_imply(size: int) -> None:
    """The size of the original is shown by ``info``: pixels times bytes of an array, all bytes of a FITS file."""
    own = leb(16 * 16 * 4)
    parts = changed_record("array_lossless", lambda raw: raw.replace(own, leb(size), 1))
    check_rejected(parts, "original of", "original_bytes")
    whole = len(simulate_fits((16, 16), seed=23))
    parts = changed_record("fits_preview", lambda raw: raw.replace(leb(whole), leb(size), 1))
    check_rejected(parts, "original of", "original_bytes")


def test_original_of_a_bounded_file_may_be_a_block_smaller() -> None:
    """Provenance cards make headers grow by blocks; nothing else changes the size of a file."""
    parts = parts_of("fits_bounded")
    raw = unpacked(parts, "META")
    assert raw is not None
    whole = len(simulate_fits((16, 16), seed=23))
    for size, sound in ((whole - 2880, True), (whole - 1, False), (whole - 5760, False), (whole + 2880, False)):
        changed = with_section(parts, "META", b"\0" + raw.replace(leb(whole), leb(size), 1))
        if sound:
            assert radcodec.open(join(changed)).info.original_bytes == size
            assert isinstance(ref.decode_file(join(changed)), bytes)
        else:
            check_rejected(changed, "original of", "original_bytes")


def test_extra_is_for_data_that_are_no_images() -> None:
    """An array has no EXTRA, and a frame where no record has data, or none where one has, is refused."""
    frame = ref.zstandard.ZstdCompressor().compress(b"x")
    for name in ("array_lossless", "fits_bounded"):
        check_rejected(with_section(parts_of(name), "EXTRA", frame), "EXTRA", "EXTRA")
    check_rejected(with_section(parts_of("fits_lossless"), "EXTRA", b""), "EXTRA", "EXTRA")


def tiny(stream: bytes, blocks: bytes, mask: bytes = b"") -> bytes:
    """A file of one float64 tile of 8 by 8 samples."""
    return array_file(record(10, (8, 8)), 512, [(mask, stream)], blocks=blocks)


def check_both_decode_errors(data: bytes, ours: str, theirs: str) -> None:
    """Both reject a file when a tile of it is decoded."""
    with pytest.raises(radcodec.CorruptError, match=ours):
        radcodec.decode(data)
    with pytest.raises(ref.RejectError, match=theirs):
        ref.decode_file(data)


def test_spare_raw_bits_are_zero() -> None:
    """The raw bits of a tile end with zeros up to a whole byte."""
    image = simulate_image((16, 16), seed=20)
    parts = split(radcodec.encode(np.round(image.astype("f8") * 1e6).astype("i2"), effort=9))
    assert parts is not None
    stream = parts.sections["TILES"]
    last = next(bit for bit in range(8) if not stream[-1] >> bit)  # no bit above it is set
    assert stream[-1] >> last == 0
    changed = [stream[:-1] + bytes([stream[-1] | 1 << bit]) for bit in range(last, 8)]
    found = 0
    for one in changed:
        data = join(repair_index(with_section(parts, "TILES", one)))
        try:
            ref.decode_file(data)
        except ref.RejectError as err:
            found += "left over" in str(err)
        with pytest.raises(radcodec.CorruptError, match=r"do not end|checksum"):
            radcodec.decode(data)
    assert found > 0


def test_a_predictor_block_that_no_tile_uses_is_sound() -> None:
    """Junk where predictors are said to be is refused, whether or not a tile makes use of them."""
    raw = b"\0" + np.arange(64, dtype="<f8").tobytes()
    check_both_decode_errors(tiny(raw, params(predictors=b"junk")), "predictor block", "over the end")
    nine = predictor_block(0.0, n=9)
    check_both_decode_errors(tiny(raw, params(predictors=nine)), "1 to 8 predictors", "number of predictors")


def test_streams_that_no_sample_needs_are_refused() -> None:
    """A tile whose samples are all special has a mask and nothing else."""
    frame = ref.zstandard.ZstdCompressor().compress(b"\xff" * 8 + np.arange(64, dtype="<f8").tobytes())
    raw = b"\0" + bytes(512)
    check_both_decode_errors(tiny(raw, params(), b"\0" + frame), "all special", "no sample needs")
    nothing = ref.zstandard.ZstdCompressor().compress(bytes(8))
    check_both_decode_errors(tiny(raw, params(), b"\0" + nothing), "marks a sample", "marks nothing")


def test_steps_without_a_scale_are_refused() -> None:
    """An image with BSCALE 0 has one physical value: no step can be made from its bound."""
    from radcodec.container.meta import ImageRecord
    from radcodec.pixels.bounds import ImageBounds, tile_bound
    from radcodec.types import SampleType

    own = ImageRecord(sample_type=SampleType.F8, shape=(8, 8), sides=(8, 8), bound=1.0, bscale=0.0, bzero=5.0)
    assert tile_bound(own, ImageBounds(everywhere=1.0), (0, 1, 0, 8, 0, 8), 0) is None
    image = ref.Image(10, (1, 8, 8), 8, 0, bounded=True, bound=1.0, bscale=0.0)
    image.predictors = ref.read_predictors(ref.Cursor(predictor_block(0.0)))
    with pytest.raises(ref.RejectError, match="without a scale"):
        ref.decode_detail(learned(b"\3\0"), image, 0, (1, 8, 8), np.zeros(64, bool), np.ones(64))


def test_base_streams_that_nothing_needs_have_right_checksums() -> None:
    """A reader that decodes everything checks the CRC of a preview's base streams too."""
    parts = parts_of("fits_preview")
    base = parts.sections["BASE"]
    data = join(with_section(parts, "BASE", base[:20] + bytes([base[20] ^ 1]) + base[21:]))
    with pytest.raises(radcodec.CorruptError, match="base stage"):
        radcodec.verify(io.BytesIO(data))
    with pytest.raises(radcodec.CorruptError, match="base stage"):
        radcodec.decompress(io.BytesIO(data), io.BytesIO())
    with pytest.raises(ref.RejectError, match="CRC of a base stream"):
        ref.decode_file(data)


def test_a_model_is_called_by_its_name() -> None:
    """``info`` shows the name of the model: one that is not that of the weights is refused when it is used."""
    parts = changed_record("long_lossy", lambda raw: raw.replace(b"vqvae", b"other", 1))
    check_both_decode_errors(join(parts), "name 'vqvae", "name of the model")


def test_arrays_have_no_scale() -> None:
    """Kind array stores samples as they are; a scale would make ``decode`` and ``open`` disagree."""
    image = record(4, (2, 2), flags=8, rest=struct.pack("<2d", 2.0, 0.0))
    data = array_file(image, 8, [(b"", b"\0" + bytes(8))], blocks=params())
    with pytest.raises(radcodec.CorruptError, match="no scaling"):
        radcodec.open(data)
    with pytest.raises(ref.RejectError, match="scaling or BLANK of an array"):
        ref.decode_file(data)
