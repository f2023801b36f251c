"""Short files (docs/format.md, 2.6): lossy arrays spend at most 90 bytes beside their streams."""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import reference_decoder

import radcodec
from radcodec.cli.app import run
from radcodec.container.writer import cut_base_copy
from radcodec.errors import CorruptError, ModelNotFoundError, RadcodecError
from radcodec.simulate import simulate_image

pytestmark = pytest.mark.slow

SMALL = simulate_image((40, 50), seed=3).astype(np.float32)


def encode(array: np.ndarray, bpp: float) -> bytes:
    return radcodec.encode(array, lossy=True, lossy_bpp=bpp)


@pytest.mark.parametrize("bpp", [0.1, 0.5, 1.0])
def test_envelope_of_a_lossy_array_is_at_most_90_bytes(bpp: float) -> None:
    """Everything but base streams of a 300 x 300 array takes at most 90 bytes (208 before)."""
    image = simulate_image((300, 300), seed=5).astype(np.float32)
    data = encode(image, bpp)
    with radcodec.open(data) as file:
        sizes = {layer["name"]: layer["bytes"] for layer in file.info.layers}
    assert len(data) - sizes["base"] <= 90
    assert sum(sizes.values()) == len(data)


@pytest.mark.parametrize(
    "array", [SMALL, SMALL.astype(">f8"), (1000 * SMALL / SMALL.std()).astype(np.int16), SMALL[None]]
)
def test_short_file_decodes_as_the_format_page_says(array: np.ndarray) -> None:
    """The reader that was written from the format page alone restores the same samples."""
    data = encode(array, 4.0)
    assert data[12] == 8
    restored = radcodec.decode(data)
    expected = reference_decoder.decode_file(data)
    assert isinstance(expected, np.ndarray)
    assert restored.shape == array.shape
    np.testing.assert_array_equal(restored, expected)


def test_report_completes_the_model_and_has_no_restored_sha256() -> None:
    """The file has 8 bytes of either hash; the registry knows the model's other 24, nobody those of the pixels."""
    with radcodec.open(encode(SMALL, 4.0)) as file:
        report = file.info
    assert report.restored_sha256 is None
    assert report.model is not None
    weights = Path("models") / report.model["name"] / "weights.safetensors"
    assert report.model["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_fits_files_keep_the_long_form(tmp_path: Path) -> None:
    """Only arrays are short: the SHA-256 of a restored FITS file stays whole."""
    from astropy.io import fits

    fits.PrimaryHDU(SMALL).writeto(tmp_path / "a.fits")
    report = radcodec.compress(tmp_path / "a.fits", tmp_path / "a.rcz", lossy=True, lossy_bpp=8.0)
    assert report.restored_sha256 is not None
    assert len(report.restored_sha256) == 64


def test_every_damaged_byte_of_a_short_file_is_noticed() -> None:
    """Without a trailer the other checksums still cover each byte: no flipped bit gives pixels."""
    data = encode(SMALL, 2.0)
    for place in range(len(data)):
        bad = bytearray(data)
        bad[place] ^= 0x41
        with pytest.raises(RadcodecError):
            radcodec.decode(bytes(bad))


def test_flag_of_a_short_file_is_refused_on_other_files() -> None:
    """A lossless array with the flag is refused by both readers."""
    data = bytearray(radcodec.encode(SMALL, tile=16))
    data[12] |= 8
    data = data[:23]
    with pytest.raises(CorruptError, match="expected a lossy array in a short file"):
        radcodec.decode(bytes(data) + bytes(400))


def test_model_that_is_not_installed_is_named_by_what_the_file_has() -> None:
    """The message gives the start of the hash, as the file has no more."""
    data = bytearray(encode(SMALL, 2.0))
    with radcodec.open(bytes(data)) as file:
        prelude, meta = file.reader.prelude, file.reader.section_bytes("META")
    start = prelude.prelude_bytes
    data[start + 8 : start + 16] = b"\x01" * 8
    end = start + sum(prelude.section_bytes[:3])
    data[start - 4 : start] = struct.pack("<I", zlib.crc32(bytes(data[: start - 4] + data[start:end])))
    assert meta >= 16
    with pytest.raises(ModelNotFoundError, match="of sha256 0101010101010101"):
        radcodec.decode(bytes(data))


def test_base_only_copy_of_a_short_file_shows_the_same_picture() -> None:
    """A copy without pixel checksums is short as well, and both readers take it."""
    data = encode(SMALL, 4.0)
    with radcodec.open(data) as file:
        copy = cut_base_copy(file.reader, 16)
        expected = file.preview()
    with radcodec.open(copy) as file:
        np.testing.assert_array_equal(file.preview(), expected)
    assert copy[12] == 9
    np.testing.assert_array_equal(reference_decoder.decode_file(copy), radcodec.decode(data))


def test_info_of_a_short_file_has_no_empty_writer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line of the format ends with the draft, since a short file does not say what wrote it."""
    (tmp_path / "a.rcz").write_bytes(encode(SMALL, 4.0))
    assert run(["info", str(tmp_path / "a.rcz")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("  format 0 draft ") and line.rsplit(" ", 1)[1].isdigit() for line in lines)
