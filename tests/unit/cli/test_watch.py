"""radcodec watch: complete files once each, restart-safe, bad ones reported; and radcodec recover."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from child_signals import heed_signals

import radcodec
from radcodec.cli.app import run
from radcodec.simulate import simulate_fits, simulate_image

QUICK = ("--settle", "0", "--every", "0.05", "--no-preview", "--once")


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()


def drop(name: str, seed: int = 1) -> bytes:
    """A file as an instrument drops it."""
    data = simulate_fits((24, 20), seed=seed)
    path = Path("in", name)
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(data)
    return data


def records() -> list[dict[str, Any]]:
    """The lines of the manifest."""
    path = Path("out", "manifest.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_every_file_is_compressed_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A second run, and one in between, find nothing to do; what is new is done; the tree is kept."""
    data = drop("a.fits")
    drop("night/b.fits", seed=2)
    Path("in", "notes.txt").write_text("not a FITS file")
    assert run(["watch", "in", "--out-dir", "out", *QUICK]) == 0
    assert [record["status"] for record in records()] == ["done", "done"]
    assert radcodec.open(Path("out", "a.fits.rcz")).fits_file().read() == data
    assert "b.fits.rcz" in capsys.readouterr().out
    before = os.stat("out/a.fits.rcz").st_mtime_ns, os.stat("out/a.fits.rcz").st_ino
    drop("c.fits", seed=3)
    assert run(["watch", "in", "--out-dir", "out", *QUICK]) == 0
    assert len(records()) == 3
    assert (os.stat("out/a.fits.rcz").st_mtime_ns, os.stat("out/a.fits.rcz").st_ino) == before
    assert sorted(path.name for path in Path("out").rglob("*.rcz")) == ["a.fits.rcz", "b.fits.rcz", "c.fits.rcz"]


def test_a_file_that_still_grows_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is left alone until its size and time did not change for the time to settle."""
    from radcodec.cli import watch

    now = [1000.0]
    monkeypatch.setattr(watch.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(watch.time, "time", lambda: os.stat("in/a.fits").st_mtime)
    drop("a.fits")
    watched = watch._Watched(settle=5.0)
    path = os.path.abspath("in/a.fits")
    assert watched.is_ready(path) is False
    now[0] += 4.0
    assert watched.is_ready(path) is False
    with open(path, "ab") as file:
        file.write(b"more")
    now[0] += 4.0
    assert watched.is_ready(path) is False
    now[0] += 4.0
    assert watched.is_ready(path) is False
    now[0] += 1.0
    assert watched.is_ready(path) is True
    watched.finish(path)
    assert watched.is_ready(path) is None
    os.utime(path, (1, 1))
    assert watched.is_ready(path) is False
    assert watched.is_ready(os.path.abspath("in/none.fits")) is None


def test_a_file_that_was_there_long_before_need_not_settle() -> None:
    """What was written long before the start is complete."""
    from radcodec.cli import watch

    drop("a.fits")
    path = os.path.abspath("in/a.fits")
    os.utime(path, (time.time() - 3600, time.time() - 3600))
    assert watch._Watched(settle=5.0).is_ready(path) is True


@pytest.mark.parametrize(
    ("cut", "match"), [(2880 + 100, "cut off"), (80, "no END"), (2880 + 24 * 20 * 4, "blocks of 2880")]
)
def test_a_file_shorter_than_its_headers_say_is_tried_again_when_it_changes(
    cut: int, match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is reported once, not once a look; when the rest has come it is compressed."""
    data = drop("a.fits")
    drop("b.fits", seed=2)
    Path("in", "a.fits").write_bytes(data[:cut])
    for _ in range(2):
        code = run(["watch", "in", "--out-dir", "out", *QUICK])
    assert code == 0  # the second run had nothing to do
    error = capsys.readouterr().err
    assert error.count("expected a complete file") == 1
    assert match in error
    assert [record["status"] for record in records()].count("failed") == 1
    assert not Path("out", "a.fits.rcz").exists()
    Path("in", "a.fits").write_bytes(data)
    assert run(["watch", "in", "--out-dir", "out", *QUICK]) == 0
    assert radcodec.open(Path("out", "a.fits.rcz")).fits_file().read() == data


def test_bad_files_are_reported_and_do_not_stop_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code of one pass is that of the first failure."""
    Path("in", "a.fits").write_bytes(b"no FITS file at all")
    drop("b.fits")
    assert run(["watch", "in", "--out-dir", "out", *QUICK]) == 3
    assert Path("out", "b.fits.rcz").exists()
    assert "a.fits" in capsys.readouterr().err


def test_a_pass_reports_all_of_its_files(capsys: pytest.CaptureFixture[str]) -> None:
    """Each file has its line of the manifest, and each failure its message, also after a failure."""
    for name in ("a.fits", "c.fits"):
        Path("in", name).write_bytes(b"no FITS file at all")
    for name in ("b.fits", "d.fits"):
        drop(name)
    assert run(["watch", "in", "--out-dir", "out", *QUICK]) == 3
    said = capsys.readouterr()
    assert sorted(Path(record["path"]).name for record in records()) == ["a.fits", "b.fits", "c.fits", "d.fits"]
    assert [name for name in ("a.fits", "c.fits") if name not in said.err] == []
    assert [name for name in ("b.fits", "d.fits") if name not in said.out] == []


def test_a_changed_file_needs_leave_to_replace_its_output(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --overwrite an output is never replaced; with it the new content is compressed."""
    drop("a.fits")
    assert run(["watch", "in", "--out-dir", "out", *QUICK]) == 0
    before = Path("out", "a.fits.rcz").read_bytes()
    data = drop("a.fits", seed=9)
    assert run(["watch", "in", "--out-dir", "out", *QUICK]) == 2
    assert "exists" in capsys.readouterr().err
    assert Path("out", "a.fits.rcz").read_bytes() == before
    os.utime("in/a.fits")
    assert run(["watch", "in", "--out-dir", "out", "--overwrite", *QUICK]) == 0
    assert radcodec.open(Path("out", "a.fits.rcz")).fits_file().read() == data


def test_options_are_those_of_compress() -> None:
    """A bound reaches the files, and another one makes another output."""
    drop("a.fits")
    assert run(["watch", "in", "--out-dir", "out", "--max-error", "0.25sigma", *QUICK]) == 0
    assert records()[0]["options"]["max_error"] == "0.25sigma"
    assert radcodec.open(Path("out", "a.fits.rcz")).info.mode == "bounded"


@pytest.mark.parametrize(
    ("arguments", "code", "match"),
    [
        (["watch", "none", "--out-dir", "out"], 2, "expected a folder to watch"),
        (["watch", "in", "--out-dir", ""], 2, "found an empty one"),
        (["watch", "in", "--out-dir", "in/a.fits"], 5, "found a file"),
        (["watch", "in"], 2, "--out-dir"),
        (["watch", "in", "--out-dir", "out", "--model", "none"], 4, "none"),
    ],
)
def test_what_cannot_be_watched(
    arguments: list[str], code: int, match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mistakes are found before anything is watched."""
    drop("a.fits")
    assert run(arguments) == code
    assert match in capsys.readouterr().err


def _wait(condition: Any, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert child.poll() is None, child.stderr and child.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_cleanly_and_goes_on(number: signal.Signals) -> None:
    """Files that come while it watches are done; ended by a signal it leaves nothing half done, and goes on after."""
    command = [
        sys.executable, "-m", "radcodec", "watch", "in", "--out-dir", "out", "--settle", "0.1", "--every", "0.05",
        "--no-preview",
    ]  # fmt: skip
    drop("a.fits")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_signals
    ) as child:
        _wait(Path("out", "a.fits.rcz").exists, child)
        for seed in (2, 3, 4):
            drop(f"{seed}.fits", seed)
        _wait(Path("out", "2.fits.rcz").exists, child)
        child.send_signal(number)
        _, error = child.communicate(timeout=60)
    assert child.returncode == (-9 if number is signal.SIGKILL else 128 + number)
    assert "Traceback" not in error
    if number is not signal.SIGKILL:
        assert [path.name for path in Path("out").iterdir() if path.name.endswith(".tmp")] == []
    assert run(["watch", "in", "--out-dir", "out", *QUICK]) == 0
    assert sorted(path.name for path in Path("out").glob("*.rcz")) == [f"{n}.fits.rcz" for n in (2, 3, 4)] + [
        "a.fits.rcz"
    ]
    done = [record["path"] for record in records() if record["status"] == "done"]
    assert len(set(done)) == 4
    for path in Path("out").glob("*.rcz"):
        radcodec.verify(path)


def test_recover_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    """It restores the planes of a part, says how many, and has the exit codes of the others."""
    stream = radcodec.create("night.rcz", shape=(None, 12, 10), dtype="f4")
    for seed in range(3):
        stream.append(simulate_image((12, 10), seed=seed))
    with open("night.rcz.part", "ab") as file:
        file.write(b"half a plane")
    assert run(["recover", "night.rcz.part", "out.rcz"]) == 0
    said = capsys.readouterr()
    assert "3 planes" in said.out
    assert "12 bytes behind the last of 3 complete planes" in said.err
    with radcodec.open("out.rcz") as found:
        assert np.array_equal(found[2], simulate_image((12, 10), seed=2))
    assert run(["recover", "night.rcz.part", "out.rcz"]) == 2
    assert run(["recover", "night.rcz.part", "out.rcz", "--overwrite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hdus"][0]["shape"] == [3, 12, 10]
    assert run(["recover", "night.rcz.part", "out.fits"]) == 2
    assert run(["recover", "none.part", "new.rcz"]) == 5
    Path("bad.part").write_bytes(b"nothing")
    assert run(["recover", "bad.part", "new.rcz"]) == 3
    assert run(["info", "night.rcz.part"]) == 3
    assert "radcodec recover" in capsys.readouterr().err
    stream.close()
    assert run(["recover", "night.rcz", "copy.rcz"]) == 0
    assert Path("copy.rcz").read_bytes() == Path("night.rcz").read_bytes()
