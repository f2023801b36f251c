"""Tables and header dictionary from invented data alone: without a folder no survey's image or text is read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from radcodec.training import detail_tables
from radcodec.training.header_dictionary import generic_headers, invented_headers, main, train_header_dictionary


def test_invented_headers_are_whole_and_hold_no_survey_text() -> None:
    """Each is whole blocks up to END; they start with the generic ones and never hold the terms of FIRST."""
    headers = invented_headers()
    assert headers[: len(generic_headers())] == generic_headers()
    assert len(headers) > len(generic_headers())
    for header in headers:
        assert len(header) % 2880 == 0
        assert header.rstrip(b" ").endswith(b"END")
        for text in (b"FIRST", b"Permission", b"Becker", b"University of California"):
            assert text not in header


def test_without_folder_the_dictionary_is_of_invented_headers(tmp_path: Path) -> None:
    """One argument, OUT, gives the dictionary of the invented headers."""
    out = tmp_path / "out.zdict"
    assert main([str(out)]) == 0
    assert out.read_bytes() == train_header_dictionary(invented_headers())


def test_without_folder_all_images_are_simulated() -> None:
    """No folder is read, and there are as many images as are simulated beside a folder's."""
    with patch.object(detail_tables, "SIMULATED_IMAGES", 2):
        sides = [image.shape for image in detail_tables.training_images(None)]
    assert sides == 2 * [(1, 320, 320)]


def test_tables_need_at_most_one_folder(capsys: pytest.CaptureFixture[str]) -> None:
    """No argument and three are usage errors with exit code 2."""
    for arguments in ([], ["a", "b", "c"]):
        with patch.object(sys, "argv", ["detail_tables", *arguments]):
            assert detail_tables.main() == 2
        assert "[FITS_FOLDER] OUT" in capsys.readouterr().err


def test_tables_from_simulations_alone_are_written(tmp_path: Path) -> None:
    """With OUT alone, the table set is that of the images that are made without a folder."""

    def few(folder: Path | None) -> Iterator[np.ndarray]:
        assert folder is None
        yield np.random.default_rng(1).normal(size=(1, 64, 64)).astype(np.float32)

    out = tmp_path / "t.tables"
    with patch.object(detail_tables, "training_images", few), patch.object(sys, "argv", ["x", str(out)]):
        assert detail_tables.main() == 0
    from radcodec.detail.tables import unpack_tables

    assert unpack_tables(out.read_bytes()).n_shapes == 4
