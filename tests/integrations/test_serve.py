"""radcodec serve: every byte of the FITS files by range, nothing from outside of the folder, and a viewer."""

from __future__ import annotations

import asyncio
import io
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

import radcodec
from radcodec.simulate import simulate_fits

httpx = pytest.importorskip("httpx")
pytest.importorskip("starlette")
uvicorn = pytest.importorskip("uvicorn")

from headless import Browser, find_browser  # noqa: E402

from radcodec.integrations.serve import make_app  # noqa: E402


def _several_hdus() -> bytes:
    """A cube of 5 planes, a table and a mask."""
    rng = np.random.default_rng(5)
    out = io.BytesIO()
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(40))], name="ROWS")
    cube = fits.PrimaryHDU(rng.normal(0, 1, (5, 60, 80)).astype(np.float32))
    mask = fits.ImageHDU((rng.random((60, 80)) > 0.5).astype(np.uint8), name="MASK")
    fits.HDUList([cube, table, mask]).writeto(out)
    return out.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``originals`` and ``served``, the same compressed, with a link that leads out of it and a secret beside it."""
    root = tmp_path_factory.mktemp("serve")
    (root / "originals/deep field").mkdir(parents=True)
    (root / "originals/sky.fits").write_bytes(simulate_fits((300, 200), seed=3))
    (root / "originals/deep field/cube.fits").write_bytes(_several_hdus())
    for name in ("sky.fits", "deep field/cube.fits"):
        (root / "served" / name).parent.mkdir(parents=True, exist_ok=True)
        radcodec.compress(root / "originals" / name, root / "served" / f"{name}.rcz", tile=64)
    secret = root / "secret.fits.rcz"
    secret.write_bytes((root / "served/sky.fits.rcz").read_bytes())
    (root / "served/link.fits.rcz").symlink_to(secret)
    (root / "served/out").symlink_to(root)
    (root / "served/.hidden.fits.rcz").write_bytes(secret.read_bytes())
    (root / "served/notes.txt").write_text("private")
    damaged = bytearray(secret.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    (root / "served/damaged.fits.rcz").write_bytes(damaged)
    return root


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A server of the folder in a thread; its address."""
    config = uvicorn.Config(make_app(str(folder / "served"), threads=2), port=0, log_level="critical", http="h11")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)


@pytest.mark.parametrize("name", ["sky.fits", "deep field/cube.fits"])
def test_the_whole_file_and_its_head(folder: Path, url: str, name: str) -> None:
    """GET gives the original, byte for byte; HEAD its length, and that ranges are taken."""
    original = (folder / "originals" / name).read_bytes()
    head, answer = httpx.head(f"{url}/{name}"), httpx.get(f"{url}/{name}")
    assert (answer.status_code, answer.content) == (200, original)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(original))
    assert head.headers["accept-ranges"] == "bytes"
    assert head.headers["etag"] == answer.headers["etag"]


@pytest.mark.parametrize("span", ["bytes=0-9", "bytes=-1", "bytes=9999999-", "nonsense"])
def test_head_ignores_ranges(folder: Path, url: str, span: str) -> None:
    """HEAD gives the length of the whole file, whatever range it names (RFC 9110, 14.2)."""
    answer = httpx.head(f"{url}/sky.fits", headers={"Range": span})
    size = (folder / "originals/sky.fits").stat().st_size
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(size))
    assert "content-range" not in answer.headers


def test_ranges(folder: Path, url: str) -> None:
    """Any range gives the bytes of the original and says where they are."""
    original = (folder / "originals/sky.fits").read_bytes()
    size, rng = len(original), random.Random(7)
    spans = [(0, 1), (size - 1, size), (2879, 2881), *(sorted(rng.sample(range(size + 1), 2)) for _ in range(40))]
    with httpx.Client(base_url=url) as client:
        for start, stop in spans:
            answer = client.get("/sky.fits", headers={"range": f"bytes={start}-{stop - 1}"})
            assert (answer.status_code, answer.content) == (206, original[start:stop])
            assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
        assert client.get("/sky.fits", headers={"range": "bytes=-100"}).content == original[-100:]
        assert client.get("/sky.fits", headers={"range": f"bytes={size - 5}-"}).content == original[-5:]
        assert client.get("/sky.fits", headers={"range": f"bytes=0-{10**23}"}).content == original
        assert client.get("/sky.fits", headers={"range": "lines=1-2"}).content == original


def test_several_ranges_come_as_parts(folder: Path, url: str) -> None:
    """A multipart answer has each range with its place; ranges outside of the file are left out."""
    original = (folder / "originals/sky.fits").read_bytes()
    answer = httpx.get(f"{url}/sky.fits", headers={"range": "bytes=0-9, 5000-5099,-7,99999999-"})
    boundary = re.fullmatch(r"multipart/byteranges; boundary=(\w+)", answer.headers["content-type"])
    assert boundary is not None
    parts = answer.content.split(f"\r\n--{boundary[1]}".encode())
    assert (parts[0], parts[-1]) == (b"", b"--\r\n")
    found = [part.partition(b"\r\n\r\n")[2] for part in parts[1:-1]]
    assert found == [original[:10], original[5000:5100], original[-7:]]
    assert f"bytes 5000-5099/{len(original)}".encode() in parts[2]


@pytest.mark.parametrize(
    "given",
    ["bytes=99999999-", "bytes=5-2", "bytes=abc", "bytes=-0", "bytes=", "bytes", "bytes=1-2-3", f"bytes={'9' * 23}-",
     f"bytes={'9' * 6000}-", "bytes=" + ",".join(["0-0"] * 17), "bytes=\u0661-"],
)  # fmt: skip
def test_absurd_ranges_are_refused(url: str, given: str) -> None:
    """They are 416, with the length of the file in the answer."""
    answer = httpx.get(f"{url}/sky.fits", headers={"range": given.encode()})
    assert answer.status_code == 416
    assert answer.headers["content-range"].startswith("bytes */")
    assert len(answer.content) < 200


def test_a_copy_that_is_still_right_is_not_sent_again(url: str) -> None:
    """If-None-Match gives 304; If-Range of another file gives all of it."""
    tag = httpx.head(f"{url}/sky.fits").headers["etag"]
    assert httpx.get(f"{url}/sky.fits", headers={"if-none-match": tag}).status_code == 304
    ranged = {"range": "bytes=0-9"}
    assert httpx.get(f"{url}/sky.fits", headers={**ranged, "if-range": tag}).status_code == 206
    assert httpx.get(f"{url}/sky.fits", headers={**ranged, "if-range": '"other"'}).status_code == 200


PATHS = [
    "/../secret.fits", "/..%2fsecret.fits", "/%2e%2e/secret.fits", "/%2e%2e%2fsecret.fits", "/out/secret.fits",
    "/deep%20field/../../secret.fits", "/link.fits", "/link.fits.rcz", "/out/", "/.hidden.fits", "/notes.txt",
    "/sky.fits%00", "/%00", "//etc/passwd", "/..\\secret.fits", "/..%5csecret.fits", "/%252e%252e/secret.fits",
    "/" + "a" * 5000 + ".fits", "/" + "a/" * 3000, "/link.fits/preview.png", "/out/secret.fits/view", "/sky.fits/",
    "/sky.fits/other", "/\udcff.fits", "/./sky.fits/../../secret.fits",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:30].encode("ascii", "backslashreplace").decode())
def test_what_is_outside_is_not_there(url: str, path: str) -> None:
    """Names with .., links that lead out, hidden files, null bytes and other files are 404, asked for as they stand."""
    host, port = url[7:].split(":")
    with __import__("socket").create_connection((host, int(port)), timeout=30) as raw:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
        raw.sendall(request.encode("utf-8", "surrogateescape"))
        answer = b""
        while part := raw.recv(1 << 16):
            answer += part
    status, _, body = answer.partition(b"\r\n\r\n")
    assert int(status.split()[1]) in (400, 404), status
    assert b"SIMPLE" not in body
    assert b"private" not in body
    assert b"/tmp" not in body


def test_lists(url: str) -> None:
    """A folder lists FITS files and folders, as a page and as JSON; nothing that is not served."""
    found = httpx.get(f"{url}/?format=json").json()
    assert [(entry["name"], entry["kind"]) for entry in found["entries"]] == [
        ("damaged.fits", "fits"), ("deep field", "folder"), ("sky.fits", "fits"),
    ]  # fmt: skip
    page = httpx.get(f"{url}/deep%20field", follow_redirects=True)
    assert page.url.path == "/deep%20field/" or page.url.path == "/deep field/"
    assert 'href="cube.fits/view"' in page.text


def test_cutouts_are_those_of_the_library(folder: Path, url: str, tmp_path: Path) -> None:
    """By pixels and by sky position; what makes no sense is 400 and says why."""
    rcz = folder / "served/sky.fits.rcz"
    radcodec.cutout(rcz, tmp_path / "a.fits", "20:50,30:90")
    assert httpx.get(f"{url}/sky.fits/cutout?region=20:50,30:90").content == (tmp_path / "a.fits").read_bytes()
    radcodec.cutout(rcz, tmp_path / "b.fits", center="180 35", size="30arcsec")
    given = {"center": "180 35", "size": "30arcsec"}
    assert httpx.get(f"{url}/sky.fits/cutout", params=given).content == (tmp_path / "b.fits").read_bytes()
    mask = httpx.get(f"{url}/deep field/cube.fits/cutout?hdu=MASK&region=0:4,0:4")
    with fits.open(io.BytesIO(mask.content)) as hdul, fits.open(folder / "originals/deep field/cube.fits") as original:
        assert np.array_equal(hdul[0].data, original["MASK"].data[:4, :4])
    for query in ("", "?region=5:1,0:1", "?region=0:9999,0:1", "?plane=x", "?hdu=9&region=0:1", "?center=1"):
        answer = httpx.get(f"{url}/sky.fits/cutout{query}")
        assert (answer.status_code, answer.text.count("\n")) == (400, 1), query
    huge = httpx.get(f"{url}/sky.fits/cutout?region=-90000:90000,-90000:90000&partial=1")
    assert (huge.status_code, "at most" in huge.text) == (400, True)


def test_value_and_position_of_a_pixel(folder: Path, url: str) -> None:
    """The value is that of the original, the position what astropy says."""
    found = httpx.get(f"{url}/sky.fits/value?x=31&y=7").json()
    with fits.open(folder / "originals/sky.fits") as hdul:
        assert found["value"] == float(hdul[0].data[7, 31])
        wanted = WCS(hdul[0].header).pixel_to_world_values(31, 7)
    assert [axis["value"] for axis in found["world"]] == pytest.approx([float(value) for value in wanted], rel=1e-12)
    cube = httpx.get(f"{url}/deep field/cube.fits/value?x=3&y=4&plane=2").json()
    with fits.open(folder / "originals/deep field/cube.fits") as hdul:
        assert cube["value"] == float(hdul[0].data[2, 4, 3])
    assert httpx.get(f"{url}/sky.fits/value?x=31").status_code == 400
    assert httpx.get(f"{url}/sky.fits/value?x=9999&y=0").status_code == 400


def test_pictures(url: str) -> None:
    """A plane, a region at its own pixels, and no more pixels than asked for."""

    def size(query: str) -> tuple[int, int]:
        data = httpx.get(f"{url}/{query}").content
        assert data.startswith(b"\x89PNG")
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")

    assert size("sky.fits/preview.png") == (200, 300)
    assert size("sky.fits/preview.png?size=100") == (67, 100)
    assert size("sky.fits/preview.png?region=10:30,40:50") == (20, 10)
    assert size("deep field/cube.fits/preview.png?plane=3") == (80, 60)
    assert httpx.get(f"{url}/deep field/cube.fits/preview.png?plane=5").status_code == 400


def test_a_damaged_file_is_cut_off_not_wrong(folder: Path, url: str) -> None:
    """What is sent before the damage is right, and the answer is shorter than it says, so that the client sees it."""
    pytest.importorskip("radcodec.decoding.virtual_fits")
    original = (folder / "originals/sky.fits").read_bytes()
    parts: list[bytes] = []

    def read() -> None:
        with httpx.stream("GET", f"{url}/damaged.fits") as answer:
            parts.extend(answer.iter_bytes())

    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        read()
    got = b"".join(parts)
    assert got == original[: len(got)]
    assert httpx.get(f"{url}/damaged.fits/preview.png?full=1").status_code == 500


def test_a_damaged_file_is_an_error(url: str) -> None:
    """Without the whole file the answer ends early or is 500; no wrong byte comes with success."""
    try:
        answer = httpx.get(f"{url}/damaged.fits")
    except httpx.RemoteProtocolError:
        return
    assert answer.status_code == 500
    assert answer.text.count("\n") == 1


def test_other_hosts_are_refused(url: str) -> None:
    """A page of another site that points its own name at this machine reads nothing."""
    assert httpx.get(f"{url}/sky.fits", headers={"host": "evil.example:8421"}).status_code == 400
    assert httpx.get(f"{url}/", headers={"host": "localhost:1234"}).status_code == 200
    assert "access-control-allow-origin" not in httpx.get(f"{url}/", headers={"origin": "https://a.example"}).headers


def test_astropy_reads_it_by_url(folder: Path, url: str) -> None:
    """With use_fsspec a section is right, and so are header and data."""
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    options = {"block_size": 4096, "cache_type": "bytes"}
    with (
        fits.open(f"{url}/sky.fits", use_fsspec=True, fsspec_kwargs=options) as served,
        fits.open(folder / "originals/sky.fits") as original,
    ):
        assert np.array_equal(served[0].section[100:110, 20:60], original[0].data[100:110, 20:60])
        assert repr(served[0].header) == repr(original[0].header)
        assert np.array_equal(served[0].data, original[0].data)


def _start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """The command in a process, and the address that it says."""
    command = [sys.executable, "-m", "radcodec", "serve", *arguments]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = child.stdout.readline()
    found = re.search(r"http://\S+/", said)
    if found is None:
        child.kill()
        raise AssertionError((said, child.communicate()))
    return child, found[0]


def test_200_requests_at_once(folder: Path) -> None:
    """No byte is wrong, and the server's memory stays bounded."""
    original = (folder / "originals/sky.fits").read_bytes()
    rng = random.Random(11)
    spans = [tuple(sorted(rng.sample(range(len(original) + 1), 2))) for _ in range(200)]
    child, address = _start(str(folder / "served"), "--port", "0")

    async def ask() -> list[bytes]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=address, limits=limits, timeout=120) as client:

            async def one(start: int, stop: int) -> bytes:
                answer = await client.get("sky.fits", headers={"range": f"bytes={start}-{stop - 1}"})
                assert answer.status_code == 206
                return bytes(answer.content)

            return await asyncio.gather(*(one(*span) for span in spans))

    try:
        httpx.get(f"{address}sky.fits", timeout=120)
        before = _peak_kib(child.pid)
        assert asyncio.run(ask()) == [original[start:stop] for start, stop in spans]
        assert _peak_kib(child.pid) - before < 64 << 10
    finally:
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (130, "radcodec: interrupted\n")


def _peak_kib(pid: int) -> int:
    """The most memory that a process has had, 0 where that is not known."""
    path = Path(f"/proc/{pid}/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", path.read_text()) if path.exists() else None
    return int(found[1]) if found else 0


def test_what_cannot_be_served(folder: Path, tmp_path: Path) -> None:
    """A missing folder, a port in use and a missing package are one line and their exit codes."""
    child, address = _start(str(folder / "served"), "--port", "0")
    port = address.rstrip("/").rpartition(":")[2]

    def fails(*arguments: str, before: str = "") -> tuple[int, str]:
        code = f"import sys\n{before}\nsys.argv[1:] = {list(arguments)!r}\nfrom radcodec.cli import main\nmain()"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stderr

    try:
        code, said = fails("serve", str(folder / "served"), "--port", port)
        assert (code, said.count("\n")) == (5, 1)
        assert "in use" in said
    finally:
        child.terminate()
        child.communicate(timeout=60)
    assert child.returncode == 143
    assert fails("serve", str(tmp_path / "none"))[0] == 5
    code, said = fails("serve", str(tmp_path), before="sys.modules['uvicorn'] = None")
    assert (code, 'pip install "radcodec[serve]"' in said) == (2, True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser."""
    program = find_browser()
    if program is None:
        pytest.skip("no browser")
    with Browser(program) as found:
        yield found


def _wait(browser: Browser, expression: str, wanted: Any = True) -> None:
    deadline = time.monotonic() + 60
    while browser.value(expression) != wanted:
        assert time.monotonic() < deadline, (expression, browser.value(expression))
        time.sleep(0.05)


@pytest.mark.parametrize("width", [375, 1200])
def test_the_viewer_shows_the_image(folder: Path, url: str, browser: Browser, width: int) -> None:
    """The picture loads, a click says value and position, zooming asks for the part; all from this server alone."""
    browser.open(f"{url}/sky.fits/view", width=width)
    loaded = 'document.getElementById("picture").complete && document.getElementById("picture").naturalWidth'
    _wait(browser, loaded, 200)
    assert browser.value("document.documentElement.scrollWidth <= window.innerWidth")
    browser.value("""(() => {
        const box = picture.getBoundingClientRect();
        const x = box.left + box.width * 31.5 / 200, y = box.top + box.height * (300 - 7.5) / 300;
        picture.dispatchEvent(new MouseEvent("click", {clientX: x, clientY: y}));
    })()""")
    _wait(browser, 'document.getElementById("place").textContent.startsWith("x 31, y 7: ")')
    with fits.open(folder / "originals/sky.fits") as hdul:
        value = float(hdul[0].data[7, 31])
    said = str(browser.value('document.getElementById("place").textContent'))
    assert float(said.split()[4]) == pytest.approx(value, rel=1e-6)
    assert "RA---SIN" in said
    browser.value('document.getElementById("in").click()')
    _wait(browser, loaded, 100)
    assert browser.value('document.getElementById("cut").getAttribute("href")').endswith("region=50:150,75:225")
    assert browser.errors() == []
    assert all(asked.startswith(url) for asked in browser.requests())


def test_the_viewer_of_several_images(url: str, browser: Browser) -> None:
    """Planes of a cube and other HDUs can be chosen."""
    browser.open(f"{url}/deep%20field/cube.fits/view", width=800)
    choose = (
        "(() => {{const one = document.getElementById({!r}); one.value = {}; "
        " one.dispatchEvent(new Event('change'))}})()"
    )
    browser.value(choose.format("plane", 3))
    _wait(browser, 'document.getElementById("picture").src.includes("plane=3")')
    browser.value(choose.format("image", 1))
    _wait(browser, 'picture.src.includes("hdu=2") && picture.complete && picture.naturalWidth', 80)
    assert browser.errors() == []
