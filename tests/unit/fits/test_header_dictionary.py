"""Tests of radcodec.training.header_dictionary and of the dictionary that is shipped."""

from __future__ import annotations

from pathlib import Path

import pytest
import zstandard

from radcodec.errors import InputError
from radcodec.training.header_dictionary import generic_headers, main, mean_size, read_headers, train_header_dictionary

SHIPPED = Path(__file__).resolve().parents[3] / "models" / "headers.zdict"


def test_generic_headers_are_whole() -> None:
    """Each built-in header is a multiple of 2880 bytes and ends with END."""
    headers = generic_headers()
    assert len(headers) > 30
    for header in headers:
        assert len(header) % 2880 == 0
        assert header.rstrip(b" ").endswith(b"END")


def test_training_is_reproducible_and_fits() -> None:
    """The same headers give the same dictionary within its size, and it makes headers smaller and restores them."""
    headers = generic_headers()
    first = train_header_dictionary(headers, 16 * 1024)
    assert first == train_header_dictionary(headers, 16 * 1024)
    assert len(first) <= 16 * 1024
    assert mean_size(headers, first) < mean_size(headers, None)
    dictionary = zstandard.ZstdCompressionDict(first)
    packed = zstandard.ZstdCompressor(level=19, dict_data=dictionary).compress(headers[3])
    assert zstandard.ZstdDecompressor(dict_data=dictionary).decompress(packed) == headers[3]
    assert zstandard.get_frame_parameters(packed).dict_id == dictionary.dict_id() >= 1 << 15


def test_too_few_headers_are_refused() -> None:
    """Nothing to train on raises an error that says so."""
    with pytest.raises(InputError, match="enough headers to train on, found 0"):
        train_header_dictionary([], 16 * 1024)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command writes the dictionary and says its size and hash; without arguments it says how it is used."""
    out = tmp_path / "out.zdict"
    assert main([str(tmp_path), str(out)]) == 0
    assert f"{out.stat().st_size} bytes" in capsys.readouterr().out
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_shipped_dictionary_on_held_out_headers(shared_data: Path) -> None:
    """Headers that it was not trained on take under 140 bytes, where plain zstandard takes 3800."""
    headers = read_headers([shared_data / "first" / "test"])
    assert mean_size(headers, SHIPPED.read_bytes()) < 140
