"""Files behind URLs: how many requests and round trips reading takes, and what becomes of servers that misbehave."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from web_servers import web_server

import radcodec
from radcodec.decoding import needed_ranges
from radcodec.simulate import simulate_image

fsspec = pytest.importorskip("fsspec")
remote = pytest.importorskip("radcodec.integrations.remote")
pytest.importorskip("aiohttp")
TILE = 64
GETS_OF_A_PREVIEW = 3


def field(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    """An image of noise, which no coder makes much smaller."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def compressed(hdus: Any, **options: Any) -> bytes:
    """A FITS file as ``.rcz``."""
    file, out = io.BytesIO(), io.BytesIO()
    fits.HDUList(hdus).writeto(file)
    options = {"preview": 0, "threads": 1, "tile": TILE, "verify": False} | options
    radcodec.compress(io.BytesIO(file.getvalue()), out, **options)
    return out.getvalue()


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    """320 by 384 pixels: 5 rows of 6 tiles."""
    return field((320, 384))


@pytest.fixture(scope="module")
def packed(values: np.ndarray) -> bytes:
    """The image as a lossless file of over a megabyte."""
    return compressed([fits.PrimaryHDU(values)])


def test_a_cutout_takes_two_requests_without_head(values: np.ndarray, packed: bytes) -> None:
    """One request opens a file; one more gets all tiles of a row of tiles; no HEAD is sent."""
    with web_server({"a.rcz": packed}) as (url, traffic), radcodec.open(f"{url}/a.rcz", threads=2) as file:
        assert traffic.requests == [("GET", "/a.rcz", (0, 65536))]
        assert file.shape == (320, 384)
        assert np.array_equal(file[150:160, 10:350], values[150:160, 10:350])
        assert (traffic.gets, traffic.heads, traffic.round_trips) == (2, 0, 2)
        assert traffic.body_bytes < 65536 + len(packed) / 4


def test_several_rows_of_tiles_take_one_more_round_trip(values: np.ndarray, packed: bytes, tmp_path: Path) -> None:
    """Tiles of several rows are asked for at once: three requests, and two round trips in all, for a file of a part."""
    with web_server({"a.rcz": packed}) as (url, traffic):
        radcodec.cutout(f"{url}/a.rcz", tmp_path / "c.fits", "200:300,140:300", threads=1)
        assert (traffic.gets, traffic.heads, traffic.round_trips) == (4, 0, 2)
    assert np.array_equal(fits.getdata(tmp_path / "c.fits"), values[140:300, 200:300])


@pytest.mark.parametrize(
    ("options", "tile_gets"),
    [({"lossy": True}, 0), ({"max_error": 1.5e-4, "details_on_base": "always"}, 1)],
    ids=["lossy", "on base"],
)
def test_base_layers_take_a_request_for_each_stage(
    options: dict[str, Any], tile_gets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of tiles on S base stages takes 2 + S requests in two round trips; small gaps join them to fewer.

    A lossy image without masked pixels has no streams but those of its base: one request fewer.
    """
    data = compressed([fits.PrimaryHDU(simulate_image((150, 200), seed=11))], tile=64, **options)
    with radcodec.open(data, threads=1) as near:
        stages = near.reader.meta.images[0].n_stages
        expected = near[70:80, 10:190]
        index_end = near.reader.prelude.section_start("BASE")
    assert stages > 1
    monkeypatch.setattr(remote, "_HEAD_BYTES", index_end)
    with web_server({"a.rcz": data}) as (url, traffic):
        for gap_bytes, gets in ((0, 1 + tile_gets + stages), (16 << 10, 2)):
            monkeypatch.setattr(remote, "_GAP_BYTES", gap_bytes)
            traffic.clear()
            with radcodec.open(f"{url}/a.rcz", threads=1) as file:
                assert np.array_equal(file[70:80, 10:190], expected)
            assert (traffic.gets, traffic.heads, traffic.round_trips) == (gets, 0, 2)


def test_a_long_start_takes_one_more_request(values: np.ndarray) -> None:
    """Where header and index are longer than 64 KiB, one more request gets the rest of them."""
    image = fits.PrimaryHDU(values)
    letters = np.random.default_rng(5).integers(33, 126, (1500, 70), dtype=np.uint8)
    for line in letters:
        image.header.add_comment(line.tobytes().decode("ascii"))
    data = compressed([image])
    with radcodec.open(data, threads=1) as near:
        assert 65536 < near.reader.prelude.section_start("BASE") < 2 * 65536
    with web_server({"a.rcz": data}) as (url, traffic), radcodec.open(f"{url}/a.rcz", threads=1) as file:
        assert (traffic.gets, traffic.heads) == (2, 0)
        assert np.array_equal(file[300:304, 5:30], values[300:304, 5:30])
        assert (traffic.gets, traffic.round_trips) == (3, 3)


def test_a_preview_takes_three_requests_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """A preview gets the base layer and the masks, the masked corners included, and is what a file at hand gives."""
    image = simulate_image((300, 400), seed=11)
    image[:80, :80] = np.nan
    image[280:, 350:] = np.nan
    data = compressed([fits.PrimaryHDU(image)], preview=5)
    with radcodec.open(data, threads=1) as near:
        look = near.quick_look()
        assert look.layer.value == "base layer"
        monkeypatch.setattr(remote, "_HEAD_BYTES", near.reader.prelude.section_start("BASE"))
    with web_server({"a.rcz": data}) as (url, traffic):
        found = radcodec.preview(f"{url}/a.rcz", threads=1)
        assert traffic.gets <= GETS_OF_A_PREVIEW
        assert (traffic.heads, traffic.round_trips) == (0, 2)
        assert traffic.body_bytes < len(data) / 2
    assert np.array_equal(found, look.pixels, equal_nan=True)


def test_tables_come_with_the_pixels(tmp_path: Path) -> None:
    """What the beam of a cut-out needs is asked for together with its pixels."""
    cube = fits.PrimaryHDU(field((3, 200, 200)))
    cube.header.update(CTYPE1="RA---SIN", CTYPE2="DEC--SIN", CTYPE3="FREQ", CASAMBM=True)
    names = ("BMAJ", "BMIN", "BPA", "CHAN", "POL")
    columns = [fits.Column(name, "1E" if name[0] == "B" else "1J", array=np.arange(3)) for name in names]
    beams = fits.BinTableHDU.from_columns(columns, name="BEAMS")
    beams.header.update(NCHAN=3, NPOL=1, TUNIT1="arcsec", TUNIT2="arcsec", TUNIT3="deg")
    data = compressed([cube, beams])
    with web_server({"a.rcz": data}) as (url, traffic):
        radcodec.cutout(f"{url}/a.rcz", tmp_path / "c.fits", "150:160,20:30,2:3", threads=1)
        assert (traffic.heads, traffic.round_trips) == (0, 2)
    assert fits.getheader(tmp_path / "c.fits")["BMAJ"] == pytest.approx(2 / 3600)


def test_small_files_take_one_request(values: np.ndarray) -> None:
    """A file of less than 64 KiB is all there after the first request."""
    small = values[:40, :50]
    with web_server({"a.rcz": radcodec.encode(small)}) as (url, traffic):
        with radcodec.open(f"{url}/a.rcz") as file:
            assert np.array_equal(file[...], small)
        assert (traffic.gets, traffic.heads) == (1, 0)


def test_whole_files(values: np.ndarray, packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """decode, decompress and verify read all of a file behind a URL; without a name the copy goes to this folder."""
    monkeypatch.chdir(tmp_path)
    with web_server({"x.fits.rcz": packed}) as (url, traffic):
        assert np.array_equal(radcodec.decode(f"{url}/x.fits.rcz", threads=1), values)
        radcodec.decompress(f"{url}/x.fits.rcz", threads=1)
        assert np.array_equal(fits.getdata(tmp_path / "x.fits"), values)
        assert radcodec.verify(f"{url}/x.fits.rcz", threads=1, against=tmp_path / "x.fits").mode == "lossless"
        assert traffic.heads == 0


def test_the_virtual_fits_file_reads_ranges(values: np.ndarray, packed: bytes) -> None:
    """astropy reads the header without a request more, and a section with one."""
    with (
        web_server({"a.rcz": packed}) as (url, traffic),
        radcodec.open(f"{url}/a.rcz", threads=1) as file,
        file.hdulist() as hdus,
    ):
        assert hdus[0].header["NAXIS1"] == 384
        assert traffic.gets == 1
        assert np.array_equal(hdus[0].section[300:310, 20:30], values[300:310, 20:30])
        assert traffic.gets == 2


def test_pickles_of_urls(values: np.ndarray, packed: bytes) -> None:
    """A file opened by a URL is opened again by its pickle, with the storage options."""
    with web_server({"a.rcz": packed}) as (url, _):
        with radcodec.open(f"{url}/a.rcz", storage_options={"headers": {"X-Test": "1"}}, threads=1) as file:
            again = pickle.loads(pickle.dumps(file))
        assert np.array_equal(again[3, 4:9], values[3, 4:9])
        assert again.open_arguments(1)[-1] == {"headers": {"X-Test": "1"}}
        again.close()


def test_a_closed_file_is_closed(packed: bytes) -> None:
    """Reading a file behind a URL after it was closed is a ValueError."""
    with web_server({"a.rcz": packed}) as (url, _):
        file = radcodec.open(f"{url}/a.rcz", threads=1)
        file.close()
        with pytest.raises(ValueError, match="closed"):
            file[300, 300]


def test_servers_without_ranges(values: np.ndarray, packed: bytes) -> None:
    """An answer with the whole file is taken where it is as long as PRELUDE says, and no byte is asked for again."""
    with web_server({"a.rcz": packed}, "no ranges") as (url, traffic):
        with radcodec.open(f"{url}/a.rcz", threads=1) as file:
            assert np.array_equal(file[300:310, 10:350], values[300:310, 10:350])
        assert np.array_equal(radcodec.decode(f"{url}/a.rcz", threads=1), values)
        assert (traffic.gets, traffic.heads) == (2, 0)


@pytest.mark.parametrize("change", [b"more", -1])
def test_whole_files_of_another_length(packed: bytes, change: Any) -> None:
    """Where a server without ranges has more or less than PRELUDE says, the file is refused before it is read."""
    other = packed + change if isinstance(change, bytes) else packed[:change]
    match = f"all {len(packed)} bytes of the file, found .*{len(other)}"
    with web_server({"a.rcz": other}, "no ranges") as (url, _), pytest.raises(radcodec.TruncatedError, match=match):
        radcodec.open(f"{url}/a.rcz", threads=1)


@pytest.mark.parametrize(
    ("behaviour", "error", "match"),
    [
        ("dies", OSError, "the server or the network failed"),
        ("fails", OSError, "the server or the network failed.*503"),
        ("short", radcodec.TruncatedError, "expected .* bytes of http"),
        ("long", radcodec.TruncatedError, "the server gives no ranges"),
        ("wrong bytes", radcodec.CorruptError, "the checksum of tile"),
    ],
)
def test_servers_that_misbehave(packed: bytes, behaviour: str, error: Any, match: str) -> None:
    """A connection that dies, an error, a wrong length and wrong bytes are clear errors, never wrong pixels."""
    with web_server({"a.rcz": packed}, behaviour) as (url, _), radcodec.open(f"{url}/a.rcz", threads=1) as file:
        with pytest.raises(error, match=match):
            file[300:310, 10:350]
        with pytest.raises((OSError, radcodec.FormatError), match=r"expected|checksum"):
            radcodec.decode(f"{url}/a.rcz", threads=1)


def test_a_server_that_lies_about_the_length(packed: bytes) -> None:
    """A length that is not that of PRELUDE is refused when the file is opened."""
    with (
        web_server({"a.rcz": packed}, "wrong total") as (url, _),
        pytest.raises(radcodec.CorruptError, match=f"expected a file of {len(packed)} bytes, found {len(packed) + 1}"),
    ):
        radcodec.open(f"{url}/a.rcz")
    with web_server({"a.rcz": packed[:-9]}) as (url, _), pytest.raises(radcodec.TruncatedError, match="cut off"):
        radcodec.open(f"{url}/a.rcz")


def test_a_connection_that_dies_while_a_whole_file_comes(packed: bytes) -> None:
    """A server without ranges whose connection breaks gives an error, and nothing is left to read."""
    import asyncio

    async def answer(reader: Any, writer: Any) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed[:200_000])
        await writer.drain()
        writer.close()

    import threading

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(answer, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises((OSError, radcodec.TruncatedError), match="expected"):
            radcodec.open(f"http://127.0.0.1:{port}/a.rcz")
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


# fsspec drops the response of a missing file unread; the garbage collector closes its connection.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_is_not_there() -> None:
    """A missing file is FileNotFoundError, a server that is not there an OSError, an unknown scheme an InputError."""
    with web_server({}) as (url, _), pytest.raises(FileNotFoundError, match="expected a file at this URL"):
        radcodec.open(f"{url}/a.rcz")
    with pytest.raises(OSError, match="the server or the network failed"):
        radcodec.open(f"{url}/a.rcz")
    with pytest.raises(radcodec.InputError, match="expected a URL and storage options that fsspec knows"):
        radcodec.open("nonsense://host/a.rcz")
    with web_server({"a.rcz": b"<html>" * 9, "empty.rcz": b""}) as (url, _):
        with pytest.raises(radcodec.NotRadcodecError, match=r"expected a \.rcz file"):
            radcodec.open(f"{url}/a.rcz")
        with pytest.raises((radcodec.FormatError, OSError), match="expected"):
            radcodec.open(f"{url}/empty.rcz")


def test_other_file_systems(values: np.ndarray, packed: bytes, tmp_path: Path) -> None:
    """Memory, local files by URL and a chain of a zip file and another are read; a cut-out asks for ranges once."""
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/folder/a.rcz", packed)
    calls: list[int] = []
    original = type(memory).cat_ranges

    def cat_ranges(self: Any, paths: Any, *args: Any, **options: Any) -> Any:
        calls.append(len(paths))
        return original(self, paths, *args, **options)

    patch = pytest.MonkeyPatch()
    patch.setattr(type(memory), "cat_ranges", cat_ranges)
    try:
        with radcodec.open("memory://folder/a.rcz", threads=1) as file:
            assert np.array_equal(file[150:200, 200:300], values[150:200, 200:300])
        assert calls == [2]
    finally:
        patch.undo()
    (tmp_path / "a.rcz").write_bytes(packed)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("b.rcz", packed)
    for url in (f"file://{tmp_path}/a.rcz", f"zip://b.rcz::file://{tmp_path}/a.zip"):
        with radcodec.open(url, threads=1) as file:
            assert np.array_equal(file[300:302], values[300:302])
    assert np.array_equal(radcodec.decode("memory://folder/a.rcz", threads=1), values)
    for change, error in ((b"more", radcodec.CorruptError), (None, radcodec.TruncatedError)):
        memory.pipe_file("/b.rcz", packed + change if change else packed[:-1])
        with pytest.raises(error, match="expected a file of"):
            radcodec.decode("memory://b.rcz")


def test_a_file_with_the_name_of_a_url(values: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local file is a file, whatever its name looks like."""
    monkeypatch.chdir(tmp_path)
    Path("zip::b.rcz").write_bytes(radcodec.encode(values[:9, :9]))
    with radcodec.open("zip::b.rcz") as file:
        assert np.array_equal(file[...], values[:9, :9])


def test_what_was_fetched_is_given_out_once(values: np.ndarray, packed: bytes) -> None:
    """Streams of tiles that were decoded are not kept; those that nobody read are forgotten beyond a limit."""
    with web_server({"a.rcz": packed}) as (url, traffic), radcodec.open(f"{url}/a.rcz", threads=1) as file:
        assert np.array_equal(file[60:300], values[60:300])
        source = file.reader._source
        assert source._blocks == []
        source.fetch([(100_000, 150_000)])
        source.fetch([(120_000, 140_000), (149_000, 151_000)])
        assert traffic.requests[-1][2] == (150_000, 151_000)
        gets = traffic.gets
        assert source.read(149_500, 1500, "a range") == packed[149_500:151_000]
        assert traffic.gets == gets


def test_many_threads_and_small_batches(values: np.ndarray, packed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several threads read one file, in batches of a few tiles, and all pixels are right."""
    monkeypatch.setattr(needed_ranges, "_BATCH_BYTES", 40_000)
    monkeypatch.setattr(remote, "_HELD_BYTES", 60_000)
    keys = [np.s_[row : row + 50, column : column + 130] for row in (0, 90, 270) for column in (0, 100, 254)]
    with (
        web_server({"a.rcz": packed}) as (url, _),
        radcodec.open(f"{url}/a.rcz", threads=3) as file,
        ThreadPoolExecutor(8) as pool,
    ):
        found = list(pool.map(file.__getitem__, keys))
    assert all(np.array_equal(part, values[key]) for part, key in zip(found, keys, strict=True))


def test_ranges_that_are_joined() -> None:
    """Of more than two ranges the smallest gaps are read along, until 8 MiB are spent."""
    mib = 1 << 20
    assert remote._join_some([0, 100, 900], [50, 200, 950], 2) == ([0, 900], [200, 950])
    assert remote._join_some([0, 6 * mib, 11 * mib], [mib, 7 * mib, 12 * mib], 2) == ([0, 6 * mib], [mib, 12 * mib])
    apart = [0, 10 * mib, 20 * mib], [mib, 11 * mib, 21 * mib]
    assert remote._join_some(*apart, 2) == apart
    assert remote._join_some([0, 9], [7, 12], 2) == ([0, 9], [7, 12])
    assert remote._join_some([7], [9], 2) == ([7], [9])


def run_cli(*arguments: str) -> Any:
    """The command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "radcodec", *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def test_commands_take_urls(values: np.ndarray, packed: bytes, tmp_path: Path) -> None:
    """info, cutout, preview, verify and decompress work on URLs; what fails on the network ends with exit code 5."""
    with web_server({"x.fits.rcz": packed}) as (url, traffic):
        name = f"{url}/x.fits.rcz"
        assert "lossless" in run_cli("info", name).stdout
        assert (traffic.gets, traffic.heads) == (1, 0)
        done = run_cli("cutout", name, str(tmp_path / "c.fits"), "--region", "3:9,4:8")
        assert done.returncode == 0, done.stderr
        assert np.array_equal(fits.getdata(tmp_path / "c.fits"), values[4:8, 3:9])
        assert run_cli("preview", name, str(tmp_path / "p.png")).returncode == 0
        assert run_cli("verify", name).returncode == 0
        assert run_cli("decompress", name, str(tmp_path / "x.fits")).returncode == 0
        assert np.array_equal(fits.getdata(tmp_path / "x.fits"), values)
        missing = run_cli("info", f"{url}/none.rcz")
        assert (missing.returncode, missing.stderr.count("\n")) == (5, 1)
    gone = run_cli("info", name)
    assert (gone.returncode, gone.stdout) == (5, "")
    assert gone.stderr.startswith("radcodec: ")
    assert "Traceback" not in gone.stderr


def test_without_the_extra() -> None:
    """Without fsspec or aiohttp a URL is an ImportError that names the extra; the command line says so in one line."""
    code = (
        "import sys; sys.modules[{name!r}] = None\nimport radcodec\n"
        "try: radcodec.open('http://127.0.0.1:9/a.rcz')\n"
        "except ImportError as err: print(err)"
    )
    for name in ("fsspec", "aiohttp"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(name=name)], capture_output=True, text=True, check=False, timeout=60
        )
        assert 'pip install "radcodec[remote]"' in done.stdout, done.stderr
