"""radcodec batch: every file once, a manifest to go on from, shares that are disjoint."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import radcodec
from radcodec.cli.app import run
from radcodec.cli.manifest import Manifest, read_records
from radcodec.cli.pool import Outcome, WorkerDiedError, in_processes
from radcodec.errors import InputError

CARDS = ("SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0")


def _fits(number: int) -> bytes:
    """A FITS file without pixels, another one for each number."""
    cards = (*CARDS, f"NUMBER  = {number:20d}", "END")
    return "".join(card.ljust(80) for card in cards).ljust(2880).encode()


@pytest.fixture
def survey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with ``survey``: a.fits, deep/b.fits, deep/er/c.fits and d.fit."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("a.fits", "deep/b.fits", "deep/er/c.fits", "d.fit")):
        path = Path("survey", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_fits(number))
    return tmp_path


def _lines(path: str = "out/manifest.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def _outputs(folder: str = "out") -> set[str]:
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()}


@pytest.mark.usefixtures("survey")
def test_the_tree_is_kept_and_the_manifest_says_what_became_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a file: path, status, exit code, report, and the SHA-256 of both ends as hashlib has them."""
    assert run(["batch", "survey", "--out-dir", "out", "--jobs", "2"]) == 0
    assert _outputs() == {
        "a.fits.rcz", "deep/b.fits.rcz", "deep/er/c.fits.rcz", "d.fit.rcz", "manifest.jsonl"
    }  # fmt: skip
    records = {record["path"]: record for record in _lines()}
    assert len(records) == len(_lines()) == 4
    record = records["survey/deep/b.fits"]
    assert (record["status"], record["exit_code"], record["error"]) == ("done", 0, None)
    assert record["original_sha256"] == record["input_sha256"] == hashlib.sha256(_fits(1)).hexdigest()
    assert record["output_sha256"] == hashlib.sha256(Path("out/deep/b.fits.rcz").read_bytes()).hexdigest()
    assert record["report"]["original_bytes"] == 2880
    assert "total: 4 of 4 files" in capsys.readouterr().out
    radcodec.verify("out/deep/er/c.fits.rcz", against="survey/deep/er/c.fits")


@pytest.mark.usefixtures("survey")
def test_what_is_done_is_passed_over_by_content_not_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    """An input that changed, an output that was damaged and other options are done again; the rest is left alone."""
    assert run(["batch", "survey", "--out-dir", "out", "--quiet"]) == 0
    before = {name: os.stat(Path("out", name)).st_ino for name in _outputs()}
    assert run(["batch", "survey", "--out-dir", "out", "--skip-done"]) == 0
    assert "4 of 4 files, 4 of them before" in capsys.readouterr().out
    assert {name: os.stat(Path("out", name)).st_ino for name in _outputs()} == before
    assert len(_lines()) == 4
    Path("survey/a.fits").write_bytes(_fits(77))
    Path("out/d.fit.rcz").write_bytes(b"half")
    assert run(["batch", "survey", "--out-dir", "out", "--skip-done", "--overwrite"]) == 0
    assert sorted(record["path"] for record in _lines()[4:]) == ["survey/a.fits", "survey/d.fit"]
    radcodec.verify("out/a.fits.rcz", against="survey/a.fits")
    radcodec.verify("out/d.fit.rcz", against="survey/d.fit")
    assert run(["batch", "survey", "--out-dir", "out", "--skip-done", "--overwrite", "--tile", "64"]) == 0
    assert len(_lines()) == 10


@pytest.mark.usefixtures("survey")
def test_another_output_of_the_name_is_not_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --overwrite a file that is there stays, also with --skip-done, and that is a failure."""
    Path("out").mkdir()
    Path("out/a.fits.rcz").write_bytes(b"precious")
    assert run(["batch", "survey", "--out-dir", "out", "--skip-done"]) == 2
    assert Path("out/a.fits.rcz").read_bytes() == b"precious"
    assert "out/a.fits.rcz" in capsys.readouterr().err
    failed = [record for record in _lines() if record["status"] == "failed"]
    assert [(record["path"], record["error_class"], record["exit_code"]) for record in failed] == [
        ("survey/a.fits", "FileExistsError", 2)
    ]


@pytest.mark.usefixtures("survey")
def test_an_output_without_a_line_is_kept_if_it_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    """A run that is killed between the output and its line leaves this; the next one writes the line."""
    assert run(["batch", "survey", "--out-dir", "out", "--quiet"]) == 0
    whole = Path("out/manifest.jsonl").read_bytes().splitlines(keepends=True)
    lost = json.loads(whole[2])
    Path("out/manifest.jsonl").write_bytes(b"".join(whole[:2]) + whole[3] + whole[2][:50])
    inode = os.stat(lost["output"]).st_ino
    assert run(["batch", "survey", "--out-dir", "out", "--skip-done", "--quiet"]) == 0
    assert os.stat(lost["output"]).st_ino == inode
    again = _lines()
    assert len(again) == 4
    assert (again[3]["path"], again[3]["output_sha256"]) == (lost["path"], lost["output_sha256"])


@pytest.mark.usefixtures("survey")
def test_a_failure_does_not_stop_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    """It has a line with its class and exit code, and the exit code is that of the first failure."""
    Path("survey/bad.fits").write_bytes(b"no FITS")
    assert run(["batch", "survey", "none.fits", "--out-dir", "out", "--json"]) in (3, 5)
    found = json.loads(capsys.readouterr().out)
    assert (found["total"]["files"], found["total"]["done"], found["total"]["failed"]) == (6, 4, 2)
    failed = {record["path"]: record for record in _lines() if record["status"] == "failed"}
    assert failed["survey/bad.fits"]["error_class"] == "UnsupportedDataError"
    assert failed["survey/bad.fits"]["exit_code"] == 3
    assert failed["none.fits"]["exit_code"] == 5
    assert [failed[name]["tries"] for name in ("survey/bad.fits", "none.fits")] == [1, 1]


@pytest.mark.usefixtures("survey")
@pytest.mark.parametrize("first", [0, 1], ids=["from 0", "from 1"])
def test_shares_are_disjoint_and_complete(first: int) -> None:
    """The tasks of an array that counts from 0, and of one that counts from 1, do every file once."""
    for number in range(first, first + 3):
        assert run(["batch", "survey", "--out-dir", "out", "--task", f"{number}/3", "--quiet"]) == 0
    done = Counter(line["path"] for path in Path("out").glob("manifest.*-of-3.jsonl") for line in _lines(str(path)))
    assert done == Counter(["survey/a.fits", "survey/deep/b.fits", "survey/deep/er/c.fits", "survey/d.fit"])
    assert run(["batch", "survey", "--out-dir", "out", "--skip-done", "--quiet"]) == 0
    assert _lines() == []


@pytest.mark.usefixtures("survey")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--task", "4/3"], "expected K/N"),
        (["--task", "1"], "expected K/N"),
        (["--task", "0/0"], "expected K/N"),
        (["--task", "1/2", "--dask", "tcp://127.0.0.1:1"], "--dask"),
        (["--jobs", "0"], "--jobs"),
        (["survey/deep/../a.fits"], "out/a.fits.rcz, which is that of survey/a.fits, too"),
        (["--manifest", "survey/a.fits"], "expected JSON objects"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """A usage error; no file is written, none is touched."""
    before = _outputs("survey")
    assert run(["batch", "survey", "--out-dir", "out", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert _outputs("survey") == before
    assert Path("survey/a.fits").read_bytes() == _fits(0)
    assert not Path("out").exists() or not _outputs()


@pytest.mark.usefixtures("survey")
def test_names_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """One name a line; a file that is named twice is done once."""
    Path("list.txt").write_text("survey/a.fits\n\nsurvey/d.fit\r\nsurvey/a.fits\n")
    assert run(["batch", "--files-from", "list.txt", "--out-dir", "out", "--quiet"]) == 0
    assert _outputs() == {"a.fits.rcz", "d.fit.rcz", "manifest.jsonl"}
    assert len(_lines()) == 2


def test_half_a_line_is_cut_off_and_no_other_file(tmp_path: Path) -> None:
    """What a killed run left at the end goes; a file that is no manifest is refused as it is."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(b'{"path": "a", "status": "done"}\n{"path": "b", "sta')
    manifest = Manifest(str(path))
    manifest.append({"path": "c"})
    assert [record["path"] for record in read_records(str(path))] == ["a", "c"]
    assert path.read_bytes() == b'{"path": "a", "status": "done"}\n{"path": "c"}\n'
    path.write_bytes(b"no manifest")
    with pytest.raises(InputError, match="give another name"):
        Manifest(str(path))
    assert path.read_bytes() == b"no manifest"
    path.write_bytes(b"line\n")
    with pytest.raises(InputError, match="give another name"):
        list(read_records(str(path)))


def _double(number: int) -> int:
    """Work for a process: 3 kills it, 5 fails."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        raise InputError("expected another number, found 5")
    return 2 * number


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_process_that_dies_loses_its_own_item_alone() -> None:
    """The outcome of its item says how it ended; the others are done, and a retry is asked for each."""
    asked: Counter[int] = Counter()

    def retry(number: int, outcome: Outcome[int]) -> bool:
        asked[number] += 1
        return isinstance(outcome.error, WorkerDiedError) and asked[number] < 3

    found = dict(in_processes(_double, range(8), processes=2, retry=retry))
    assert {number: outcome.result for number, outcome in found.items() if outcome.error is None} == {
        number: 2 * number for number in (0, 1, 2, 4, 6, 7)
    }
    assert isinstance(found[3].error, WorkerDiedError)
    assert "SIGKILL" in str(found[3].error)
    assert asked[3] == 3
    assert isinstance(found[5].error, InputError)
    assert str(found[5].error) == "expected another number, found 5"


def test_a_large_item_is_worked_on_alone(tmp_path: Path) -> None:
    """An item of the weight of all processes begins when no other is worked on, and none begins before it ends."""
    items = [(str(tmp_path / "log"), number) for number in range(6)]
    for _ in in_processes(_log, items, processes=2, weigh=lambda item: 2 if item[1] == 3 else 1):
        pass
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines.index("end 3") == lines.index("begin 3") + 1
    assert len(lines) == 12


def _log(item: tuple[str, int]) -> None:
    for word in ("begin", "end"):
        handle = os.open(item[0], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, f"{word} {item[1]}\n".encode())
        os.close(handle)
