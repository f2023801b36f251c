"""compress of many files with several processes: the same bytes, lines in order, and nothing left by a signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from child_signals import heed_signals

from radcodec.simulate import simulate_fits

if sys.platform == "win32":
    pytest.skip("signals are those of POSIX", allow_module_level=True)


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven images and one file that is none."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "survey").mkdir()
    for number in range(7):
        side = 24 + 8 * (number % 3)
        (folder / f"survey/{number}.fits").write_bytes(simulate_fits((side, side), seed=number))
    (folder / "survey/3b.fits").write_bytes(b"no FITS")
    return folder


def _command(*options: str) -> list[str]:
    return [sys.executable, "-m", "radcodec", "compress", "survey", "--out-dir", *options]


def _run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = _command(*options)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)


def test_several_processes_change_nothing(survey: Path) -> None:
    """Outputs, the order of lines, the error and the exit code are those of one file after the other."""
    one, two = _run(survey, "one", "--threads", "1"), _run(survey, "two", "--threads", "2")
    assert (one.returncode, two.returncode) == (3, 3)
    names = [line.split(" -> ")[0] for line in two.stdout.splitlines()]
    assert names[:-1] == [f"survey/{number}.fits" for number in range(7)]
    assert names[:-1] == [line.split(" -> ")[0] for line in one.stdout.splitlines()][:-1]
    assert names[-1].startswith("total: 7 of 8 files")
    assert one.stderr == two.stderr
    assert two.stderr.startswith("radcodec: survey/3b.fits: ")
    for path in sorted((survey / "one").iterdir()):
        assert (survey / "two" / path.name).read_bytes() == path.read_bytes()
    assert len(list((survey / "two").iterdir())) == 7
    found = json.loads(_run(survey, "three", "--threads", "2", "--json").stdout)
    assert [Path(file["input"]).name for file in found["files"]] == sorted(os.listdir(survey / "survey"))


def test_warnings_of_processes_are_said_once(survey: Path) -> None:
    """What is warned of in a process reaches standard error, with the name of the file."""
    done = _run(survey, "warned", "--threads", "2", "--max-error", "1e-30", "--quiet")
    one = _run(survey, "warned1", "--threads", "1", "--max-error", "1e-30", "--quiet")
    assert done.stderr == one.stderr
    loud = _run(survey, "loud", "--threads", "2", "--max-error", "1e-30").stderr.splitlines()
    assert loud == _run(survey, "loud1", "--threads", "1", "--max-error", "1e-30").stderr.splitlines()
    assert sum("warning: survey/0.fits: " in line for line in loud) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "terminated"])
def test_a_signal_leaves_whole_files_alone(survey: Path, number: signal.Signals) -> None:
    """All processes end, one line is said, and every file that is there is whole."""
    out = f"struck-{number.name}"
    child = subprocess.Popen(
        _command(out, "--threads", "2"),
        cwd=survey, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=heed_signals,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list((survey / out).glob("*.rcz")):
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(child.pid, number)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 128 + number
    assert said.splitlines()[-1] == f"radcodec: {'interrupted' if number == signal.SIGINT else 'terminated'}"
    assert "Traceback" not in said
    names = sorted(path.name for path in (survey / out).iterdir())
    assert all(name.endswith(".fits.rcz") and not name.startswith(".") for name in names)
    _wait_until_gone(child.pid)


def _wait_until_gone(group: int) -> None:
    """Return once no process of a group is left."""
    deadline = time.monotonic() + 30
    while True:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < deadline
        time.sleep(0.05)
