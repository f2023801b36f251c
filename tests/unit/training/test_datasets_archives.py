"""Archives are fetched from a server, resumed, checked and unpacked. The server is one of this machine."""

from __future__ import annotations

import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.importorskip("astropy")

from radcodec.errors import InputError
from radcodec.training.datasets import __main__ as command
from radcodec.training.datasets import archives, first, registry
from radcodec.training.datasets.archives import Archive, BatchFile, fetch_archive, fetch_file, unpack_archive
from radcodec.training.datasets.batches import BatchSet

CONTENT = {name: bytes([len(name)]) * 5000 for name in ("data_batch_1", "test_batch", "batches.meta")}


def _md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def _tar(members: dict[str, bytes], *, compress: bool = True) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz" if compress else "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


# Uncompressed, so that it has 20 kB to be interrupted in.
TAR = _tar({f"./batches/{name}": content for name, content in CONTENT.items()}, compress=False)


@dataclass
class Server:
    """Serves one file at every path, and notes what it is asked.

    cut : bytes after which each of the first `cuts` answers stops. ranges : whether it knows ranges.
    """

    content: bytes
    url: str = ""
    cut: int = 0
    cuts: int = 0
    ranges: bool = True
    status: int = 200
    asked: list[str | None] = field(default_factory=list)

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        wanted = handler.headers.get("Range")
        self.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if self.status != 200 or (start and start >= len(self.content)):
            handler.send_response(self.status if self.status != 200 else 416)
            handler.send_header("Content-Range", f"bytes */{len(self.content)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        body = self.content[start:]
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.cut] if len(self.asked) <= self.cuts else body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of this machine that has TAR; tries follow each other at once."""
    pytest.importorskip("pooch")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(archives, "PAUSE_S", 0.0)
    state = Server(TAR)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        state.url = f"http://127.0.0.1:{running.server_port}/batches.tar"
        yield state
        running.shutdown()
        thread.join()


def _archive(url: str | None) -> Archive:
    files = {name: BatchFile(name=name, md5=_md5(content)) for name, content in CONTENT.items()}
    return Archive(
        file="batches.tar", url=url, md5=_md5(TAR), folder="batches", train=(files["data_batch_1"],),
        test=(files["test_batch"],), meta=files["batches.meta"],
    )  # fmt: skip


def _check(folder: Path) -> None:
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT


def test_an_archive_is_fetched_once_and_unpacked(server: Server, tmp_path: Path) -> None:
    """Its batches are there with their bytes; a second call asks nobody, nor does one that only has the archive."""
    folder = fetch_archive(_archive(server.url), tmp_path, progress=False)
    assert folder == tmp_path / "batches"
    _check(folder)
    assert server.asked == [None]
    fetch_archive(_archive(server.url), tmp_path, progress=False)
    (folder / "test_batch").unlink()
    fetch_archive(_archive(server.url), tmp_path, progress=False)
    _check(folder)
    assert server.asked == [None]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["batches", "batches.tar"]


def test_a_download_that_breaks_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    """A server that hangs up after 7000 bytes, twice, is asked for the rest, and the whole has the right hash."""
    server.cut, server.cuts = 7000, 2
    _check(fetch_archive(_archive(server.url), tmp_path, progress=False))
    assert server.asked == [None, "bytes=7000-", "bytes=14000-"]


def test_a_later_call_resumes_an_earlier_one(server: Server, tmp_path: Path) -> None:
    """Without retries the error says how much there is; the next call asks for the rest alone."""
    server.cut, server.cuts = 7000, 1
    with pytest.raises(InputError, match=r"stopped after 7000 bytes \(7000 of \d+ bytes came\); call it again"):
        fetch_archive(_archive(server.url), tmp_path, progress=False, retries=0)
    assert (tmp_path / "batches.tar.part").stat().st_size == 7000
    assert not (tmp_path / "batches.tar").exists()
    _check(fetch_archive(_archive(server.url), tmp_path, progress=False, retries=0))
    assert server.asked == [None, "bytes=7000-"]


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    """What it sends replaces the part instead of following it."""
    server.ranges = False
    (tmp_path / "batches.tar.part").write_bytes(TAR[:100])
    _check(fetch_archive(_archive(server.url), tmp_path, progress=False))
    assert server.asked == ["bytes=100-"]


def test_a_part_that_is_whole_needs_no_more(server: Server, tmp_path: Path) -> None:
    """The server answers that there is nothing after the last byte; the part is the file."""
    (tmp_path / "batches.tar.part").write_bytes(TAR)
    _check(fetch_archive(_archive(server.url), tmp_path, progress=False))
    assert server.asked == [f"bytes={len(TAR)}-"]


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server: Server, tmp_path: Path) -> None:
    """The file has changed on the server: it is fetched from its start."""
    (tmp_path / "batches.tar.part").write_bytes(TAR + b"more")
    _check(fetch_archive(_archive(server.url), tmp_path, progress=False))
    assert server.asked == [f"bytes={len(TAR) + 4}-", None]


def test_another_hash_is_an_error_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    """A part of another file gives a wrong whole, which is removed; the next call starts again and succeeds."""
    (tmp_path / "batches.tar.part").write_bytes(b"x" * 100)
    with pytest.raises(InputError, match=r"expected md5:[0-9a-f]{32}, found another hash; the file was removed"):
        fetch_archive(_archive(server.url), tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []
    _check(fetch_archive(_archive(server.url), tmp_path, progress=False))


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (503, 3)])
def test_refusals_are_told_and_busy_servers_asked_again(
    server: Server, tmp_path: Path, status: int, tries: int
) -> None:
    """A file that does not exist is asked for once, a busy server three times."""
    server.status = status
    with pytest.raises(InputError, match=rf"stopped after 0 bytes \(HTTP Error {status}"):
        fetch_archive(_archive(server.url), tmp_path, progress=False)
    assert len(server.asked) == tries


def test_nobody_there_is_an_input_error(server: Server, tmp_path: Path) -> None:
    """A port that nobody listens to is reported as a download that stopped."""
    with pytest.raises(InputError, match="the download stopped after 0 bytes"):
        fetch_archive(_archive("http://127.0.0.1:9/batches.tar"), tmp_path, progress=False, retries=0)


def test_a_download_without_end_is_stopped(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More bytes than any archive has are not written."""
    monkeypatch.setattr(archives, "MAX_ARCHIVE_BYTES", 100)
    with pytest.raises(InputError, match=r"expected at most 100 bytes, found more"):
        fetch_archive(_archive(server.url), tmp_path, progress=False)


def test_progress_is_shown_on_standard_error(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bar names the file and ends at 100 %."""
    fetch_file(tmp_path, "batches.tar", server.url, f"md5:{_md5(TAR)}")
    assert "batches.tar: 100%" in capsys.readouterr().err


def test_an_archive_without_an_address_is_put_there_by_hand(tmp_path: Path) -> None:
    """Without it the error says where it belongs; another file is refused; the right one is unpacked."""
    with pytest.raises(InputError, match=r"batches\.tar: expected this archive .* ask the authors"):
        fetch_archive(_archive(None), tmp_path)
    (tmp_path / "batches.tar").write_bytes(TAR[:-1])
    with pytest.raises(InputError, match=rf"expected MD5 {_md5(TAR)}, found another"):
        fetch_archive(_archive(None), tmp_path)
    (tmp_path / "batches.tar").write_bytes(TAR)
    _check(fetch_archive(_archive(None), tmp_path))


def test_only_the_batches_are_unpacked_and_only_into_their_folder(tmp_path: Path) -> None:
    """Members that climb out, hidden files and others are left alone."""
    members = {f"batches/{name}": content for name, content in CONTENT.items()}
    extra = {"../../evil": b"x", "/batches/other": b"x", "batches/.DS_Store": b"x", "elsewhere/test_batch": b"x"}
    path = tmp_path / "batches.tar"
    path.write_bytes(_tar(extra | members))
    unpack_archive(path, _archive(None), tmp_path / "inside" / "batches")
    _check(tmp_path / "inside" / "batches")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["batches.tar", "inside"]


def test_archives_that_are_not_what_they_should_be_are_input_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No tar, a cut one, a missing batch, one with another MD5, a link and one over the cap give different errors."""
    path = tmp_path / "batches.tar"
    members = {f"batches/{name}": content for name, content in CONTENT.items()}
    link = io.BytesIO()
    with tarfile.open(fileobj=link, mode="w") as tar:
        info = tarfile.TarInfo("batches/test_batch")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    cases = [
        (b"not a tar", "expected a tar archive, found an unreadable one"),
        (_tar(members)[:-40], "expected a tar archive, found an unreadable one"),
        (_tar({key: members[key] for key in list(members)[:2]}), "expected batches/batches.meta, found no such file"),
        (_tar(members | {"batches/test_batch": b"other"}), f"expected MD5 {_md5(CONTENT['test_batch'])}, found"),
        (link.getvalue(), "expected batches/test_batch as a file of at most"),
    ]
    for content, message in cases:
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            unpack_archive(path, _archive(None), tmp_path / "batches")
    path.write_bytes(_tar(members))
    monkeypatch.setattr(archives, "MAX_BATCH_BYTES", 4999)
    with pytest.raises(InputError, match="as a file of at most 4999 bytes, found 5000"):
        unpack_archive(path, _archive(None), tmp_path / "batches")


def test_first_is_fetched_file_by_file(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files go into their splits, by the name that the repository has them under; those that are there stay."""
    monkeypatch.setattr(first, "URL", server.url.removesuffix("batches.tar"))
    known = f"sha256:{hashlib.sha256(TAR).hexdigest()}"
    monkeypatch.setattr(first, "list_first", lambda: {"train/100_a.fits": known, "test/200_b.fits": known})
    for _ in range(2):
        assert first.fetch_first(tmp_path, progress=False) == tmp_path
    assert (tmp_path / "train" / "100_a.fits").read_bytes() == TAR
    assert (tmp_path / "test" / "200_b.fits").read_bytes() == TAR
    assert len(server.asked) == 2
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["100_a.fits", "200_b.fits", "test", "train"]


def test_the_command_lists_fetches_and_fails(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without arguments it lists; with a name and a folder it fetches; errors take one line and the exit code 1."""
    batches = BatchSet(archive=_archive(server.url), side_px=1, bands=1, cut_sigma=None, has_labels=True)
    monkeypatch.setitem(registry.DATASETS, "small", registry._of_batches(batches, "A small set", "none"))
    assert command.main([]) == 0
    assert "small       A small set (none)" in capsys.readouterr().out
    assert command.main(["small"]) == 2
    assert "usage" in capsys.readouterr().err
    assert command.main(["small", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "small" / "batches")
    _check(tmp_path / "small" / "batches")
    assert command.main(["rgz108k", str(tmp_path)]) == 1
    assert "radcodec: " in capsys.readouterr().err


def test_published_recipes_are_complete() -> None:
    """Every archive and file has an MD5 of its own; batches are numbered; addresses are as published."""
    expected = {
        "mirabest": (8, "http://www.jb.man.ac.uk/research/MiraBest/batches.tar.gz"),
        "mirabest-f": (7, "http://www.jb.man.ac.uk/research/MiraBest/MiraBest_F/MiraBest_F_batches.tar.gz"),
        "rgz108k": (53, None),
        "cifar10": (5, "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"),
    }
    for name, (number, url) in expected.items():
        archive = registry.DATASETS[name].fetch.args[0]
        assert archive.url == url
        assert [item.name for item in archive.train] == [f"data_batch_{index + 1}" for index in range(number)]
        hashes = [archive.md5, *(item.md5 for item in archive.files)]
        assert all(len(value) == 32 and int(value, 16) for value in hashes)
        assert len(set(hashes)) == len(hashes)
