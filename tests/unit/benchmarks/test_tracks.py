"""What is measured: images made on the spot, archive tools at their defaults, missing rivals, the list of downloads."""

from __future__ import annotations

import csv
import functools
import hashlib
import http.server
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__ as command_line
from benchmarks.data.datasets import SIMULATIONS, images, sigma, simulated_images
from benchmarks.data.downloads import fetch, public_files
from benchmarks.measure import measure
from benchmarks.rivals.base import IntegerRival, Track, Unsupported
from benchmarks.rivals.fpack import Fpack
from benchmarks.run import defaults
from benchmarks.run.tracks import Demand, run_track
from benchmarks.speed.cold import Command, first_of, run_cold
from benchmarks.speed.turns import Timed, speed_cells
from benchmarks.types import Array
from radcodec.simulate import simulate_fits


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_simulated_set_is_the_same_each_time() -> None:
    """Sizes are as listed, noise alone has the rms that it was given, and a second pass gives the same samples."""
    first = {image.file: image for image in simulated_images()}
    assert [image.samples.shape for image in first.values()] == [shape for shape, _ in SIMULATIONS.values()]
    noise = first["simulated/noise-256"].samples
    assert sigma(noise) == pytest.approx(1.5e-4, rel=0.05)
    again = next(iter(images(Path("nowhere"), "simulated")))
    assert again.sha256 == first["simulated/beam-300"].sha256


class Absent:
    """A rival whose library is not there."""

    name, setting = "absent", ""

    def version(self) -> str:
        raise ImportError("no module named absent")


def test_missing_rival_is_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rival that is not installed is named on standard error and in one row of the results, not skipped."""
    out = tmp_path / "out.csv"
    for _ in range(2):
        run_track(
            [Absent()],  # type: ignore[list-item]
            Demand(Track.BOUNDED, 4.0), data=tmp_path, sets=[], out=out, repeats=1, commit="c",
        )  # fmt: skip
    found = rows(out)
    assert len(found) == 1
    assert (found[0]["codec"], found[0]["bound"], found[0]["file"]) == ("absent", "sigma/4", "")
    assert found[0]["status"] == "missing: no module named absent"
    assert "missing: absent" in capsys.readouterr().err


def test_list_names_the_codecs_of_both_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each codec has a line with its version, or with what it misses."""
    monkeypatch.setattr(command_line, "all_rivals", lambda: {"absent": Absent(), "fpack": Fpack("rice")})
    told = "\n".join(command_line.list_codecs())
    assert "missing: no module named absent" in told
    for name in ("fpack-rice", "vae, companded, level", "ae, companded, step", "jpegxl, companded, distance"):
        assert f"  {name} " in told


class Depth(IntegerRival):
    """Tells the depth of what it is given."""

    name = "depth"
    eight_bits = True

    def encode_plane(self, plane: Array) -> bytes:
        return str(plane.dtype).encode()


@pytest.mark.parametrize(("top", "depth"), [(255, b"uint8"), (256, b"uint16")])
def test_eight_bits_where_they_do(top: int, depth: bytes) -> None:
    """A coder whose contexts depend on the depth gets 8 bits up to level 255."""
    assert Depth().encode(np.array([[0, top]], np.int16), max_error=None).endswith(depth)


@pytest.mark.parametrize("algorithm", ["rice", "hcompress", "gzip2"])
def test_fpack_keeps_an_absolute_step(algorithm: str) -> None:
    """The real fpack stays within E and uses all of it; the step is 2E, so the RMSE is near 2E / sqrt(12)."""
    pytest.importorskip("astropy")
    rival = Fpack(algorithm)
    try:
        rival.version()
    except ImportError as err:
        pytest.skip(str(err))
    samples = np.random.default_rng(2).normal(size=(60, 64)).astype(np.float32)
    got = measure(rival, samples, max_error=0.05)
    assert got.holds
    assert got.max_error > 0.045
    assert got.rmse == pytest.approx(0.1 / 12**0.5, rel=0.05)
    if algorithm != "gzip2":
        with pytest.raises(Unsupported):
            rival.encode(samples, max_error=None)


def test_defaults_say_what_was_done(tmp_path: Path) -> None:
    """Exact tools are at error 0 and noise ratio 1; fpack's default is not exact, and radcodec keeps to its error."""
    folder = tmp_path / "sky"
    folder.mkdir()
    (folder / "a.fits").write_bytes(simulate_fits((64, 96), seed=3))
    defaults.run_defaults(data=tmp_path, sets=["sky", "simulated"], out=tmp_path / "out.csv", commit="c")
    found = {row["codec"]: row for row in rows(tmp_path / "out.csv")}
    for exact in ("radcodec", "gzip", "zstd"):
        assert float(found[exact]["max_error_sigma"]) == 0
        assert float(found[exact]["rms_ratio"]) == 1
    size = int(found["gzip"]["bytes"])
    assert float(found["gzip"]["bits_per_pixel"]) == pytest.approx(8 * size / (64 * 96), abs=1e-5)
    lossy = [found["astropy CompImageHDU"]]
    if shutil.which("fpack") is None:
        assert found["fpack"]["status"].startswith("missing")
    else:
        lossy.append(found["fpack"])
        allowed = float(found["fpack"]["max_error_sigma"])
        assert 0 < float(found[defaults.EQUAL]["max_error_sigma"]) <= allowed * 1.00001
    assert all(float(row["max_error_sigma"]) > 0 for row in lossy)


def test_cold_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command is timed as often as asked, one that fails and one that is missing say so."""
    folder = tmp_path / "sky"
    folder.mkdir()
    (folder / "a.fits").write_bytes(simulate_fits((16, 16), seed=3))
    python = sys.executable
    given = [
        [python, "-c", "open('made', 'x')"],
        [python, "-c", "raise SystemExit('broken')"],
        ["no-such-tool-here"],
    ]
    monkeypatch.setattr(
        "benchmarks.speed.cold.commands",
        lambda: [Command(arguments=part, makes="made" if part is given[0] else None) for part in given],
    )
    run_cold(samples=[first_of(tmp_path, "sky")], repeats=3, out=tmp_path / "out.csv", commit="c")
    good, bad, absent = rows(tmp_path / "out.csv")
    assert (good["status"], good["repeats"]) == ("ok", "3")
    assert float(good["least_s"]) <= float(good["median_s"]) <= float(good["most_s"])
    assert "broken" in bad["status"]
    assert absent["status"].startswith("missing")


def test_first_use_finds_no_compiled_modules(tmp_path: Path) -> None:
    """The process gets an empty folder of its own for them, which is gone afterwards."""
    script = "import os; f = os.environ['PYTHONPYCACHEPREFIX']; open('seen', 'w').write(f)"
    command = Command(arguments=[sys.executable, "-c", script], first_use=True)
    assert command.shown.startswith("first use: ")
    assert command.call(tmp_path) > 0
    assert command.status == "ok"
    assert not Path((tmp_path / "seen").read_text()).exists()


def test_spread_of_speeds() -> None:
    """Of 2, 1 and 4 seconds for 8 million pixels: median 4, least 2, most 8 Mpix/s."""
    entry = Timed(encode=list, decode=list, encode_s=[2.0, 1.0, 4.0], decode_s=[1.0, 1.0, 1.0])
    cells = speed_cells(entry, 8_000_000)
    assert [float(str(cells[f"encode_mpix_s{end}"])) for end in ("", "_least", "_most")] == [4.0, 2.0, 8.0]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Address of a server on this machine that gives files of ``tmp_path/published``."""
    (tmp_path / "published").mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    handler = functools.partial(Quiet, directory=str(tmp_path / "published"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()
        thread.join()


def test_fetch_checks_hashes(server: str, tmp_path: Path) -> None:
    """A good file arrives, one with another hash does not, one without an address is named; sets are respected."""
    pytest.importorskip("pooch")
    pytest.importorskip("tqdm")
    for name in ("good", "bad", "other"):
        (tmp_path / "published" / name).write_bytes(name.encode())
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("good", "other")} | {"bad": 64 * "0"}
    entries = [
        f'[[file]]\npath = "{folder}/{name}"\nsha256 = "{hashes.get(name, 64 * "1")}"\nurl = "{url}"\n'
        'source = "s"\nlicence = "l"\n'
        for folder, name, url in (
            ("sky", "good", f"{server}/good"), ("sky", "bad", f"{server}/bad"), ("sky", "lost", ""),
            ("cubes", "other", f"{server}/other"),
        )
    ]  # fmt: skip
    listed = tmp_path / "list.toml"
    listed.write_text("\n".join(entries), encoding="utf-8")
    missing = fetch(tmp_path / "data", ["sky"], listed)
    assert (tmp_path / "data/sky/good").read_bytes() == b"good"
    assert not (tmp_path / "data/sky/bad").exists()
    assert not (tmp_path / "data/cubes").exists()
    assert [line.split(":")[0] for line in missing] == ["sky/bad", "sky/lost"]


def test_list_of_downloads_is_whole() -> None:
    """310 cut-outs of FIRST, six telescopes, three cubes, MiraBest; hashes are SHA-256, no path twice."""
    files = public_files()
    counts = [sum(file.path.startswith(start) for file in files) for start in ("first/", "telescopes/", "cubes/")]
    assert counts == [310, 6, 3]
    assert all(len(bytes.fromhex(file.sha256)) == 32 for file in files)
    assert len({file.path for file in files}) == len(files)
