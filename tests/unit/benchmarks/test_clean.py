"""What tables and dictionary from invented data cost: other tables are really used, and the table by hand."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

import radcodec
from benchmarks.studies.clean import clean_lines, installed_tables, run_clean
from radcodec.detail.tables import default_tables, pack_tables
from radcodec.errors import ModelNotFoundError
from radcodec.simulate import simulate_fits

MODELS = Path(__file__).resolve().parents[3] / "models"


def even_tables(path: Path) -> Path:
    """A table set of one shape, in which all symbols are equally likely."""
    path.write_bytes(pack_tables(np.full((1, 88, 9, 128), 1 << 17, np.uint32)))
    return path


def test_other_tables_are_used_and_put_back(tmp_path: Path) -> None:
    """Tables that know nothing make an image larger; its stream names them, so that the shipped ones refuse it."""
    image = np.random.default_rng(1).normal(size=(64, 64)).astype(np.float32)
    before, shipped = radcodec.encode(image, max_error=0.1, verify=False), default_tables().sha256
    with installed_tables(even_tables(tmp_path / "even.tables")):
        other = radcodec.encode(image, max_error=0.1, verify=False)
    assert len(other) > len(before)
    assert default_tables().sha256 == shipped
    with pytest.raises(ModelNotFoundError, match="table set"):
        radcodec.decode(other)


def test_rows_are_measured_once(tmp_path: Path) -> None:
    """The shipped files beside themselves change nothing, and a second run adds no row."""
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "a.fits").write_bytes(simulate_fits((64, 64), seed=2))
    tables, headers = tmp_path / "t.tables", tmp_path / "h.zdict"
    shutil.copyfile(MODELS / "detail.tables", tables)
    shutil.copyfile(MODELS / "headers.zdict", headers)
    out = tmp_path / "rows.csv"
    for _ in range(2):
        run_clean(data=tmp_path, sets=["some"], tables=tables, headers=headers, out=out, commit="c")
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["what"], row["bound"]) for row in rows] == [
        ("tables", ""), ("tables", "sigma/8"), ("tables", "sigma/2"), ("headers", ""),
    ]  # fmt: skip
    for row in rows:
        assert int(row["shipped_bytes"]) == int(row["other_bytes"]) > 0


def test_table_by_hand() -> None:
    """Two images of 100 and 300 bytes that become 110 and 300: geometric mean +4.88 %."""
    row = {"what": "tables", "set": "s", "bound": "", "shipped_bytes": "100", "other_bytes": "110"}
    lines = clean_lines([row, row | {"shipped_bytes": "300", "other_bytes": "300"}])
    assert lines[-1] == "| `detail.tables` | s | lossless | 2 | 400 | 410 | +4.88 % |"
