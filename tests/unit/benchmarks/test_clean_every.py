"""The study of clean tables may take only some images of a set."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from benchmarks.studies.clean import run_clean
from radcodec.simulate import simulate_fits

MODELS = Path(__file__).resolve().parents[3] / "models"


def test_every_second_image_is_taken(tmp_path: Path) -> None:
    """Of three files the first and the third have rows."""
    (tmp_path / "some").mkdir()
    for name in "abc":
        (tmp_path / "some" / f"{name}.fits").write_bytes(simulate_fits((16, 16), seed=2))
    headers, out = tmp_path / "h.zdict", tmp_path / "rows.csv"
    shutil.copyfile(MODELS / "headers.zdict", headers)
    run_clean(data=tmp_path, sets=["some"], every=2, tables=None, headers=headers, out=out, commit="c")
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["file"]).name for row in rows if row["file"] != "^"] == ["a.fits", "c.fits"]
