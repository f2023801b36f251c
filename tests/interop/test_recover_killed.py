"""A stream whose process is killed at random moments, and parts cut and damaged: recover restores what is complete."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import radcodec
from radcodec.simulate import simulate_image

SHAPE = (40, 36)
# Writes planes without end, and says how many are in the file after each.
WRITER = """
import sys
import numpy as np
import radcodec

planes = np.load(sys.argv[2])
options = {"shape": (None, *planes.shape[1:]), "dtype": "f4", "threads": 1, **eval(sys.argv[3])}
with radcodec.create(sys.argv[1], **options) as stream:
    n = 0
    while True:
        stream.append(planes[n % len(planes)])
        n += 1
        print(n, flush=True)
"""
N_KILLS = int(os.environ.get("RADCODEC_KILLS", "8"))


def planes_of(count: int) -> np.ndarray:
    """Planes of noise, each of another scale."""
    return np.stack([simulate_image(SHAPE, seed=seed) * np.float32(1 + seed) for seed in range(count)])


@pytest.mark.slow
@pytest.mark.parametrize("options", ["{}", "{'max_error': '0.25sigma'}"])
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_writer_loses_the_plane_in_flight_alone(options: str, tmp_path: Path) -> None:
    """Whatever moment SIGKILL comes at, every plane that append had returned for is restored, and at most one more."""
    planes, rng = planes_of(5), random.Random(1)
    np.save(tmp_path / "planes.npy", planes)
    expected = planes
    if options != "{}":
        with radcodec.create(tmp_path / "whole.rcz", shape=(None, *SHAPE), dtype="f4", **eval(options)) as stream:
            stream.append(planes)
        with radcodec.open(tmp_path / "whole.rcz") as file:
            expected = file[:]
    for number in range(N_KILLS):
        path, part = tmp_path / f"{number}.rcz", tmp_path / f"{number}.rcz.part"
        command = [sys.executable, "-c", WRITER, str(path), str(tmp_path / "planes.npy"), options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            said = [child.stdout.readline() for _ in range(rng.randrange(1, 6))]
            time.sleep(rng.random() * 0.05)
            child.send_signal(signal.SIGKILL)
            said += child.stdout.read().splitlines()
        n_said = int(said[-1])
        assert not path.exists()
        report = radcodec.recover(part, path)
        with radcodec.open(path) as file:
            found = file[:]
        assert n_said <= len(found) <= n_said + 1
        for plane in range(len(found)):
            if plane < 5 or options == "{}":
                assert np.array_equal(found[plane], expected[plane % 5])
            else:  # the same planes again, maybe with another predictor
                assert np.abs(found[plane].astype("f8") - planes[plane % 5]).max() <= (report.max_error or 0.0)
        radcodec.verify(path)
        assert report.mode == ("lossless" if options == "{}" else "bounded")


def part_of(path: Path, **options: object) -> bytes:
    """The part of a stream of three planes."""
    stream = radcodec.create(path, shape=(None, 12, 10), dtype="f4", **options)  # type: ignore[arg-type]
    for seed in range(3):
        stream.append(simulate_image((12, 10), seed=seed))
    data = Path(stream.part_path).read_bytes()
    stream.close()
    return data


def ends_of(data: bytes) -> list[int]:
    """Where the opening and each plane of a part end: at the marks of the records, and at the end of the file."""
    marks = [i for i in range(len(data)) if data.startswith(b"\x89RCR", i)]
    return [*marks[1:], len(data)]


@pytest.mark.parametrize("options", [{}, {"max_error": "0.3sigma"}])
def test_a_part_cut_anywhere_keeps_its_complete_planes(options: dict[str, str], tmp_path: Path) -> None:
    """Of a torn last write exactly the planes before it are restored; without one there is nothing to restore."""
    data = part_of(tmp_path / "a.rcz", **options)
    with radcodec.open(tmp_path / "a.rcz") as file:
        expected = file[:]
    ends = ends_of(data)
    assert len(ends) == 4
    part, out = tmp_path / "cut.part", tmp_path / "cut.rcz"
    for size in range(len(data) + 1):
        part.write_bytes(data[:size])
        complete = sum(end <= size for end in ends[1:])
        if not complete:
            with pytest.raises(radcodec.FormatError):
                radcodec.recover(part, out)
            assert not out.exists()
            continue
        if size % 7 and size not in ends:
            continue
        report = radcodec.recover(part, out, overwrite=True)
        with radcodec.open(out) as file:
            assert np.array_equal(file[:], expected[:complete])
        left = size - ends[complete]
        said = [f"{left} bytes behind the last of {complete} complete planes are left out"] if left else []
        assert list(report.warnings) == said


def test_a_damaged_part_keeps_the_planes_before_the_damage(tmp_path: Path) -> None:
    """A wrong byte costs its plane and the ones behind it; what is restored is right, and nothing else is raised."""
    data = part_of(tmp_path / "a.rcz")
    with radcodec.open(tmp_path / "a.rcz") as file:
        expected = file[:]
    ends = ends_of(data)
    part, out = tmp_path / "bad.part", tmp_path / "bad.rcz"
    for position in range(0, len(data), 3):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        part.write_bytes(bytes(damaged))
        before = sum(end <= position for end in ends[1:])
        if not before:
            with pytest.raises(radcodec.FormatError):
                radcodec.recover(part, out)
            assert not out.exists()
            continue
        report = radcodec.recover(part, out, overwrite=True)
        assert f"last of {before} complete planes" in report.warnings[0]
        with radcodec.open(out) as file:
            assert np.array_equal(file[:], expected[:before])


def test_what_is_no_part_is_refused(tmp_path: Path) -> None:
    """A file of another kind, and one that is not there, are errors of their own."""
    part = tmp_path / "a.part"
    part.write_bytes(b"SIMPLE  =")
    with pytest.raises(radcodec.NotRadcodecError, match="starts with"):
        radcodec.recover(part, tmp_path / "a.rcz")
    with pytest.raises(FileNotFoundError):
        radcodec.recover(tmp_path / "none.part", tmp_path / "a.rcz")
    assert [path.name for path in tmp_path.iterdir()] == ["a.part"]
