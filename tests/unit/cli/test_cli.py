"""The command line: commands, options, exit codes and what goes to which stream."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import radcodec
from radcodec.cli.app import run
from radcodec.simulate import simulate_fits

KEYS = {
    *("mode", "kind", "size_bytes", "original_bytes", "pixels", "bits_per_pixel", "payload_bits_per_pixel"),
    *("max_error", "max_error_sigma", "model", "format_version", "hdus", "layers", "original_sha256"),
    "restored_sha256",
}


@pytest.fixture
def sky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with one FITS file in it."""
    monkeypatch.chdir(tmp_path)
    Path("sky.fits").write_bytes(simulate_fits((48, 64), seed=5))
    return tmp_path


def _python(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "radcodec", *arguments], input=stdin, capture_output=True, check=False, timeout=120
    )


def test_there_and_back(sky: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Compress, info, verify and decompress under default names, one line each."""
    original = Path("sky.fits").read_bytes()
    assert run(["compress", "sky.fits", "--no-preview"]) == 0
    assert "sky.fits.rcz" in capsys.readouterr().out
    assert run(["verify", "sky.fits.rcz", "--against", "sky.fits"]) == 0
    Path("sky.fits").unlink()
    assert run(["decompress", "sky.fits.rcz"]) == 0
    assert Path("sky.fits").read_bytes() == original
    capsys.readouterr()
    assert run(["info", "sky.fits.rcz"]) == 0
    assert hashlib.sha256(original).hexdigest() in capsys.readouterr().out


@pytest.mark.parametrize("command", ["compress", "info"])
def test_json_is_one_object_with_the_promised_keys(sky: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    """With --json standard output is one object and nothing else."""
    assert run(["compress", "sky.fits", "s.rcz", "--max-error", "0.25sigma", "--no-preview", "--json"]) == 0
    if command == "info":
        capsys.readouterr()
        assert run(["info", "s.rcz", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.keys() >= KEYS
    assert (found["mode"], found["kind"], found["pixels"]) == ("bounded", "fits", 48 * 64)
    assert found["max_error_sigma"] == 0.25
    assert found["size_bytes"] == Path("s.rcz").stat().st_size == sum(layer["bytes"] for layer in found["layers"])


def test_many_files_and_folders(sky: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One failure does not stop the rest; it gives the exit code; folders keep their tree."""
    Path("in/deep").mkdir(parents=True)
    Path("in/deep/a.fit").write_bytes(Path("sky.fits").read_bytes())
    Path("in/note.txt").write_text("not FITS")
    Path("bad.fits").write_text("not FITS")
    code = run(["compress", "bad.fits", "sky.fits", "in", "--out-dir", "out", "--no-preview"])
    streams = capsys.readouterr()
    assert code == 3
    assert streams.err.count("\n") == 1
    assert streams.err.startswith("radcodec: bad.fits: expected")
    assert "total: 2 of 3 files" in streams.out
    assert sorted(p.as_posix() for p in Path("out").rglob("*.rcz")) == ["out/deep/a.fit.rcz", "out/sky.fits.rcz"]
    assert run(["compress", "sky.fits", "in", "--out-dir", "out2", "--no-preview", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total"]["files"] == len(found["files"]) == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["compress", "none.fits"], 5),
        (["compress", "bad.fits"], 3),
        (["compress", "sky.fits", "old.rcz"], 2),
        (["compress", "sky.fits", "--max-error", "0"], 2),
        (["compress", "sky.fits", "--max-error", "3K"], 2),
        (["compress", "sky.fits", "--max-error", "1", "--lossy"], 2),
        (["compress", "sky.fits", "n.rcz", "--tile", "4"], 2),
        (["compress", "sky.fits", "n.rcz", "--bogus"], 2),
        (["compress", "a", "b", "c"], 2),
        (["compress", "."], 2),
        (["compress", "sky.fits", "no/such/folder/x.rcz", "--no-preview"], 5),
        (["compress", "sky.fits", "n.rcz", "--lossy", "--model", "no-such-model"], 4),
        (["decompress", "old.rcz"], 3),
        (["decompress", "sky.fits"], 2),
        (["info", "sky.fits"], 3),
        (["info", "none.rcz"], 5),
        (["verify", "old.rcz"], 3),
        (["train", "none.toml"], 5),
        (["bogus"], 2),
    ],
)
def test_exit_codes(sky: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int) -> None:
    """Each failure has its exit code and one line on standard error; nothing is written or touched."""
    Path("old.rcz").write_bytes(b"precious")
    Path("bad.fits").write_text("<!DOCTYPE html>")
    before = sorted(sky.iterdir())
    assert run(arguments) == code
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith("radcodec: ")
    assert streams.err.count("\n") == 1
    assert sorted(sky.iterdir()) == before
    assert Path("old.rcz").read_bytes() == b"precious"


def test_verify_of_another_original_is_exit_1(sky: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A difference to the original is distinguished from a damaged file."""
    assert run(["compress", "sky.fits", "--no-preview", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    Path("other.fits").write_bytes(simulate_fits((48, 64), seed=6))
    assert run(["verify", "sky.fits.rcz", "--against", "other.fits"]) == 1
    assert "differs" in capsys.readouterr().err


def test_damaged_and_truncated_files_are_exit_3(sky: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A flipped bit and a missing end are reported in one line."""
    run(["compress", "sky.fits", "--no-preview"])
    data = Path("sky.fits.rcz").read_bytes()
    Path("cut.rcz").write_bytes(data[:-9])
    Path("flip.rcz").write_bytes(data[:-100] + bytes([data[-100] ^ 1]) + data[-99:])
    capsys.readouterr()
    for name, word in (("cut.rcz", "cut off"), ("flip.rcz", "damaged")):
        assert run(["decompress", name]) == 3
        error = capsys.readouterr().err
        assert name in error
        assert word in error
    assert not Path("cut.fits").exists()


def test_interrupt_is_exit_130(sky: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C leaves nothing behind."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("radcodec.encoding.fits_file.encode_fits", interrupted)
    assert run(["compress", "sky.fits"]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert [path.name for path in sky.iterdir()] == ["sky.fits"]


def test_cutout_and_preview(sky: Path) -> None:
    """A cut-out and a picture are written; a region outside is a usage error."""
    run(["compress", "sky.fits", "s.rcz", "--no-preview"])
    assert run(["cutout", "s.rcz", "cut.fits", "--region", "3:9,4:8"]) == 0
    with radcodec.open("s.rcz") as file:
        expected = file[4:8, 3:9]
    found = np.frombuffer(Path("cut.fits").read_bytes()[-2880:][: expected.size * 4], ">f4")
    assert np.array_equal(found.reshape(expected.shape), expected)
    assert run(["cutout", "s.rcz", "cut2.fits", "--region", "3:99,4:8"]) == 2
    assert run(["preview", "s.rcz", "p.png"]) == 0
    assert Path("p.png").read_bytes().startswith(b"\x89PNG")
    assert run(["preview", "s.rcz", "p.png"]) == 2


def test_estimate_and_models(sky: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both print one object under --json."""
    assert run(["estimate", "sky.fits", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["modes"][0]["mode"] == "lossless"
    assert run(["models", "--json"]) == 0
    assert "models" in json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_pipes(sky: Path) -> None:
    """``-`` is standard input and output, and what is said goes to standard error."""
    original = Path("sky.fits").read_bytes()
    packed = _python("compress", "-", "-", "--no-preview", stdin=original)
    assert packed.returncode == 0
    assert packed.stdout.startswith(b"\x89RCZ")
    assert b"lossless" in packed.stderr
    restored = _python("decompress", "-", "-", stdin=packed.stdout)
    assert (restored.returncode, restored.stdout) == (0, original)
    nothing = _python("decompress", "-", "-", stdin=packed.stdout[:-1])
    assert (nothing.returncode, nothing.stdout) == (3, b"")
    assert nothing.stderr.count(b"\n") == 1
    assert _python("compress", "-", "-", "--json", stdin=original).returncode == 2
