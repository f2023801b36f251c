"""radcodec batch, killed in the middle and run again: every file once, the manifest complete, nothing half written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from child_signals import heed_signals

import radcodec
from radcodec.simulate import pack_fits

if sys.platform == "win32":
    pytest.skip("signals and process groups are those of POSIX", allow_module_level=True)

N_FILES = 500


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """500 images of 8 x 8 pixels in a tree of ten folders."""
    folder = tmp_path_factory.mktemp("batch")
    rng = np.random.default_rng(19)
    for number in range(N_FILES):
        path = folder / "survey" / f"night{number % 10}" / f"{number:03d}.fits"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pack_fits(rng.normal(0.0, 1e-3, (8, 8)).astype(np.float32)))
    return folder


def _start(folder: Path, out: str, *options: str) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "radcodec", "batch", "survey", "--out-dir", out, "--jobs", "2", "--skip-done",
        "--quiet", "--no-preview", *options,
    ]  # fmt: skip
    return subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heed_signals
    )


def _lines(folder: Path, out: str) -> list[bytes]:
    path = folder / out / "manifest.jsonl"
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


def _wait_for(folder: Path, out: str, n_lines: int, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while len(_lines(folder, out)) < n_lines:
        assert child.poll() is None, child.stderr and child.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _members(group: int) -> list[int]:
    """Processes of a group that are still there and no zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group = path.read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(process_group) == group and state != "Z":
            found.append(int(path.parent.name))
    return found


def _check_complete(folder: Path, out: str) -> None:
    """Every file has one line and one output that restores it; nothing else is there."""
    records = [json.loads(line) for line in _lines(folder, out)]
    wanted = sorted(path.relative_to(folder) for path in (folder / "survey").rglob("*.fits"))
    assert Counter(record["path"] for record in records) == Counter(map(str, wanted))
    assert {record["status"] for record in records} == {"done"}
    files = {str(path.relative_to(folder / out)) for path in (folder / out).rglob("*") if path.is_file()}
    assert files == {f"{path.relative_to('survey')}.rcz" for path in wanted} | {"manifest.jsonl"}
    for record in records[::25]:
        radcodec.verify(folder / record["output"], against=folder / record["path"])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are counted in /proc")
@pytest.mark.parametrize(
    ("number", "whole_group"),
    [(signal.SIGKILL, True), (signal.SIGKILL, False), (signal.SIGTERM, False), (signal.SIGINT, True)],
    ids=["killed with its children", "killed alone", "terminated", "Ctrl-C"],
)
def test_killed_twice_and_run_again(survey: Path, number: signal.Signals, whole_group: bool) -> None:
    """All processes end, and the third run does what is left, once."""
    out = f"out-{number.name}-{whole_group}"
    for least in (100, 260):
        child = _start(survey, out)
        _wait_for(survey, out, least, child)
        (os.killpg if whole_group else os.kill)(child.pid, number)
        _, said = child.communicate(timeout=60)
        assert child.returncode == (-number if number is signal.SIGKILL else 128 + number)
        assert "Traceback" not in said
        deadline = time.monotonic() + 30
        while _members(child.pid):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert len(_lines(survey, out)) < N_FILES
        if number is not signal.SIGKILL:
            assert not list((survey / out).rglob("*.tmp"))
    last = _start(survey, out)
    _, said = last.communicate(timeout=240)
    assert (last.returncode, said) == (0, "")
    _check_complete(survey, out)


def test_shares_of_an_array_run_at_the_same_time(survey: Path) -> None:
    """Three tasks with one manifest write every file once, and each line whole."""
    tasks = [_start(survey, "out-task", "--task", f"{k}/3", "--manifest", "out-task/manifest.jsonl") for k in (1, 2, 3)]
    for task in tasks:
        _, said = task.communicate(timeout=240)
        assert (task.returncode, said) == (0, "")
    _check_complete(survey, "out-task")


def test_a_dask_scheduler_does_it(survey: Path) -> None:
    """Killed and run again with the workers of a LocalCluster, every file is done once."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        command = [
            sys.executable, "-m", "radcodec", "batch", "survey", "--out-dir", "out-dask", "--skip-done", "--quiet",
            "--no-preview", "--dask", cluster.scheduler_address,
        ]  # fmt: skip
        child = subprocess.Popen(command, cwd=survey, stderr=subprocess.PIPE, text=True)
        _wait_for(survey, "out-dask", 100, child)
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=60)
        done = subprocess.run(command, cwd=survey, capture_output=True, text=True, check=False, timeout=240)
        assert (done.returncode, done.stderr) == (0, "")
    lines = _lines(survey, "out-dask")
    assert Counter(json.loads(line)["status"] for line in lines) == {"done": N_FILES}
    assert len({json.loads(line)["path"] for line in lines}) == N_FILES
