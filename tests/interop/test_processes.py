"""The command as a shell uses it: pipes, signals, permissions, exit codes, what is on disk afterwards."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import radcodec
from radcodec.cli.app import run
from radcodec.simulate import pack_fits, simulate_fits, simulate_image

COMMAND = [sys.executable, "-m", "radcodec"]


def call(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The command as a process of its own."""
    return subprocess.run([*COMMAND, *arguments], input=stdin, capture_output=True, check=False, timeout=200)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder that holds sky.fits."""
    monkeypatch.chdir(tmp_path)
    Path("sky.fits").write_bytes(simulate_fits((64, 80), seed=51, n_axes=4))
    return tmp_path


def png_size(content: bytes) -> tuple[int, int]:
    """Height and width of a greyscale PNG, its chunks' checksums and the length of its pixels checked."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    position, size, pixels = 8, (0, 0), b""
    while position < len(content):
        (length,) = struct.unpack_from(">I", content, position)
        kind, body = content[position + 4 : position + 8], content[position + 8 : position + 8 + length]
        (crc,) = struct.unpack_from(">I", content, position + 8 + length)
        assert crc == zlib.crc32(kind + body)
        if kind == b"IHDR":
            width, height, depth, colour, *_ = struct.unpack(">IIBBBBB", body)
            assert (depth, colour) == (8, 0)
            size = height, width
        pixels += body if kind == b"IDAT" else b""
        position += 12 + length
    assert kind == b"IEND"
    assert len(zlib.decompress(pixels)) == size[0] * (size[1] + 1)
    return size


def test_pipes(folder: Path) -> None:
    """FITS through compress and decompress by pipes comes back; standard output holds the file and nothing else."""
    content = Path("sky.fits").read_bytes()
    packed = call("compress", "-", "-", "--no-preview", stdin=content)
    assert (packed.returncode, packed.stdout[:4]) == (0, b"\x89RCZ")
    restored = call("decompress", "-", "-", stdin=packed.stdout)
    assert (restored.returncode, restored.stdout) == (0, content)
    cut = call("cutout", "-", "-", "--region", "3:9,5:7", stdin=packed.stdout)
    with fits.open(io.BytesIO(cut.stdout)) as hdus:
        assert hdus[0].data.shape == (1, 1, 2, 6)
    picture = call("preview", "-", "-", stdin=packed.stdout)
    assert png_size(picture.stdout) == (64, 80)
    told = call("info", "-", "--json", stdin=packed.stdout)
    assert json.loads(told.stdout)["pixels"] == 64 * 80
    assert [p.name for p in folder.iterdir()] == ["sky.fits"]


def test_broken_pipes(folder: Path) -> None:
    """Rubbish on standard input gives its exit code, one line, and an empty standard output."""
    for arguments, stdin, code in (
        (("compress", "-", "-"), b"rubbish", 3),
        (("decompress", "-", "-"), b"rubbish", 3),
        (("decompress", "-", "-"), b"", 3),
        (("decompress", "-", "-", "--json"), b"", 2),
    ):
        result = call(*arguments, stdin=stdin)
        assert (result.returncode, result.stdout, result.stderr.count(b"\n")) == (code, b"", 1), arguments


def test_preview_has_the_right_size(folder: Path) -> None:
    """A picture has a pixel for each pixel, or at most 2048 a side; from a base layer as from pixels."""
    radcodec.compress("sky.fits", "with.rcz", preview=30)
    radcodec.compress("sky.fits", "without.rcz", preview=0)
    for name in ("with", "without"):
        assert run(["preview", f"{name}.rcz", f"{name}.png"]) == 0
        assert png_size(Path(f"{name}.png").read_bytes()) == (64, 80)
    wide = np.arange(3 * 4100, dtype=np.float32).reshape(3, 4100)
    radcodec.preview(radcodec.encode(wide), "wide.png")
    assert max(png_size(Path("wide.png").read_bytes())) <= 2048


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that takes a few seconds to compress."""
    path = tmp_path_factory.mktemp("large") / "large.fits"
    noise = np.tile(simulate_image((512, 512), seed=52), (10, 10))
    path.write_bytes(pack_fits(noise + np.float32(1e-6) * np.arange(5120, dtype=np.float32)))
    return path


def take_interrupts() -> None:
    """Let the child see Ctrl-C as from a terminal: what a shell starts in the background ignores it and so do heirs."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def cpu_seconds_of_children() -> float:
    """Time on the processor of the children that have ended: a busy machine does not lengthen it."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def wait_for_command(process: subprocess.Popen[bytes]) -> None:
    """Wait until the command has loaded the native core: while modules load a signal is the interpreter's, not ours."""
    maps, end = Path(f"/proc/{process.pid}/maps"), time.monotonic() + 60
    while maps.exists() and b"_core." not in maps.read_bytes() and time.monotonic() < end:
        time.sleep(0.02)


@pytest.mark.parametrize("delay", [1.5, 2.5])
@pytest.mark.parametrize("threads", ["1", "2"])
def test_interrupt(large: Path, tmp_path: Path, delay: float, threads: str) -> None:
    """Ctrl-C while it works: exit code 130, one line, nothing left behind, an existing file untouched."""
    target = tmp_path / "out.rcz"
    target.write_bytes(b"precious")
    command = [*COMMAND, "compress", str(large), str(target), "--overwrite", "--threads", threads]
    before = cpu_seconds_of_children()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=take_interrupts
    ) as process:
        wait_for_command(process)
        time.sleep(delay)
        assert process.poll() is None, "the file is too small for this test"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=100)
    assert cpu_seconds_of_children() - before < 20
    assert (process.returncode, out) == (130, b"")
    assert err.count(b"\n") == 1, err
    assert [path.name for path in tmp_path.iterdir()] == ["out.rcz"]
    assert target.read_bytes() == b"precious"


def test_existing_output_is_left_alone(folder: Path) -> None:
    """Without --overwrite an existing file is not touched and the exit code is 2; with it the file is replaced."""
    radcodec.compress("sky.fits", "good.rcz", preview=0)
    for arguments in (
        ["compress", "sky.fits", "old", "--no-preview"],
        ["decompress", "good.rcz", "old"],
        ["cutout", "good.rcz", "old", "--region", "0:4,0:4"],
        ["preview", "good.rcz", "old"],
    ):
        Path("old").write_bytes(b"precious")
        os.utime("old", ns=(10**18, 10**18))
        before = sorted(path.name for path in folder.iterdir())
        assert run(arguments) == 2, arguments
        assert Path("old").read_bytes() == b"precious"
        assert Path("old").stat().st_mtime_ns == 10**18
        assert sorted(path.name for path in folder.iterdir()) == before
        assert run([*arguments, "--overwrite"]) == 0, arguments
        assert Path("old").read_bytes() != b"precious"


def test_a_failure_leaves_the_existing_output(folder: Path) -> None:
    """A file that turns out to be damaged halfway replaces nothing, even with --overwrite."""
    radcodec.compress("sky.fits", "bad.rcz", preview=0)
    content = bytearray(Path("bad.rcz").read_bytes())
    content[len(content) // 2] ^= 1
    Path("bad.rcz").write_bytes(content)
    Path("old").write_bytes(b"precious")
    assert run(["decompress", "bad.rcz", "old", "--overwrite"]) == 3
    assert Path("old").read_bytes() == b"precious"
    assert sorted(path.name for path in folder.iterdir()) == ["bad.rcz", "old", "sky.fits"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_permission_denied(folder: Path) -> None:
    """A folder that may not be written to is exit code 5; nothing is left behind."""
    folder.chmod(0o555)
    try:
        result = call("compress", "sky.fits", "--no-preview")
    finally:
        folder.chmod(0o755)
    assert (result.returncode, result.stderr.count(b"\n")) == (5, 1), result.stderr
    assert b"ermission denied" in result.stderr
    assert not Path("sky.fits.rcz").exists()


def test_refusals_of_the_system(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A denied permission, as root sees it never, is exit code 5 and one line; nothing is left behind."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "out.rcz")

    monkeypatch.setattr("radcodec.runtime.paths._create", refuse)
    assert run(["compress", "sky.fits", "out.rcz", "--no-preview"]) == 5
    assert capsys.readouterr().err == "radcodec: sky.fits: out.rcz: Permission denied\n"
    assert [path.name for path in folder.iterdir()] == ["sky.fits"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's device that is always full")
def test_devices(folder: Path) -> None:
    """A full disk is exit code 5; what goes to /dev/null is no error."""
    radcodec.compress("sky.fits", "good.rcz", preview=0)
    for arguments in (["compress", "sky.fits", "/dev/full", "--no-preview"], ["decompress", "good.rcz", "/dev/full"]):
        result = call(*arguments, "--overwrite")
        assert (result.returncode, result.stderr.count(b"\n")) == (5, 1), result.stderr
        assert b"No space left" in result.stderr
        result = call(*arguments[:2], "/dev/null", "--overwrite")
        assert (result.returncode, result.stderr) == (0, b"")


def test_modification_time_is_kept(folder: Path) -> None:
    """Compressed and restored files are as old as what they were made from."""
    os.utime("sky.fits", ns=(1_500_000_000_123_456_789, 1_400_000_000_987_654_321))
    assert run(["compress", "sky.fits", "--no-preview"]) == 0
    assert Path("sky.fits.rcz").stat().st_mtime_ns == 1_400_000_000_987_654_321
    assert run(["decompress", "sky.fits.rcz", "back.fits"]) == 0
    assert Path("back.fits").stat().st_mtime_ns == 1_400_000_000_987_654_321


def test_many_inputs_with_a_broken_one(folder: Path) -> None:
    """The broken one has its line and gives the exit code; the others are done; --json says which is which."""
    Path("broken.fits").write_bytes(b"not FITS")
    Path("last.fits").write_bytes(Path("sky.fits").read_bytes())
    inputs = ["sky.fits", "broken.fits", "missing.fits", "last.fits"]
    result = call("compress", *inputs, "--out-dir", "out", "--no-preview", "--json")
    assert result.returncode == 3
    found = json.loads(result.stdout)
    assert [entry.get("exit_code") for entry in found["files"]] == [None, 3, 5, None]
    assert (found["total"]["files"], found["total"]["failed"]) == (4, 2)
    assert result.stderr.count(b"\n") == 2
    assert sorted(path.name for path in Path("out").iterdir()) == ["last.fits.rcz", "sky.fits.rcz"]
    for name in ("last", "sky"):
        radcodec.verify(f"out/{name}.fits.rcz", against="sky.fits")


def test_json_is_pure(folder: Path) -> None:
    """With --json standard output is one object and nothing else, warnings notwithstanding; errors print nothing."""
    content = bytearray(Path("sky.fits").read_bytes())
    end = content.index(b"END" + b" " * 77)
    content[end : end + 160] = b"CHECKSUM= '0123456789abcdef'".ljust(80) + b"END".ljust(80)
    Path("sky.fits").write_bytes(content)
    result = call("compress", "sky.fits", "a.rcz", "--max-error", "0.25sigma", "--json")
    assert result.returncode == 0, result.stderr
    assert "CHECKSUM" in json.loads(result.stdout)["warnings"][0]
    for arguments in (
        ["info", "a.rcz"],
        ["verify", "a.rcz", "--against", "sky.fits"],
        ["decompress", "a.rcz", "b.fits"],
        ["estimate", "sky.fits"],
        ["models"],
    ):
        result = call(*arguments, "--json")
        assert result.returncode == 0, result.stderr
        assert isinstance(json.loads(result.stdout), dict)
        assert result.stderr == b""
    failed = call("info", "sky.fits", "--json")
    assert (failed.returncode, failed.stdout, failed.stderr.count(b"\n")) == (3, b"", 1)


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
@pytest.mark.parametrize(
    "options", [{}, {"max_error": "0.25sigma"}, {"lossy": True}], ids=["exact", "bounded", "lossy"]
)
def test_astropy_opens_what_comes_back(shared_data: Path, options: dict[str, object]) -> None:
    """astropy opens every restored file of the telescopes and finds the same units, shapes and coordinates."""
    for path in sorted((shared_data / "telescopes").iterdir()):
        packed, restored = io.BytesIO(), io.BytesIO()
        radcodec.compress(path, packed, preview=0, **options)  # type: ignore[arg-type]
        packed.seek(0)
        radcodec.decompress(packed, restored)
        restored.seek(0)
        with fits.open(path) as old, fits.open(restored) as new:
            assert len(old) == len(new)
            for before, after in zip(old, new, strict=True):
                assert (type(before), before.name) == (type(after), after.name)
                assert set(before.header) <= set(after.header)
                if before.data is not None:
                    assert (before.data.shape, before.data.dtype) == (after.data.shape, after.data.dtype)
