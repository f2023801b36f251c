"""Output files: permissions, races, file systems without hard links; and the names that files get."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from radcodec.errors import InputError
from radcodec.runtime import paths
from radcodec.runtime.paths import atomic_file, compressed_name, file_times, find_fits, restored_name


def _write(target: Path, content: bytes, *, overwrite: bool = False) -> None:
    with atomic_file(str(target), overwrite=overwrite) as file:
        file.write(content)


def test_the_umask_is_never_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new file has the permissions that the umask leaves, and the umask of the process is never changed meanwhile."""
    before = os.umask(0o027)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "umask", lambda _: pytest.fail("the umask was changed"))
            _write(tmp_path / "a", b"1")
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    finally:
        os.umask(before)


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    """A file that is replaced gives its permissions to the new one."""
    target = tmp_path / "a"
    target.write_bytes(b"old")
    target.chmod(0o604)
    _write(target, b"new", overwrite=True)
    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (b"new", 0o604)


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Another program's file that appears at the last moment stays as it is, with hard links and without."""
    target = tmp_path / "a"
    _without_links(monkeypatch, links)
    real = os.utime

    def late(path: str, ns: tuple[int, int]) -> None:
        real(path, ns=ns)
        target.write_bytes(b"another program's")

    monkeypatch.setattr(os, "utime", late)
    # Whatever is checked before: the last step itself must refuse.
    monkeypatch.setattr(paths, "check_target", lambda *_: None)
    with (
        pytest.raises(FileExistsError, match="the output exists"),
        atomic_file(str(target), overwrite=False, like=(1, 2)) as file,
    ):
        file.write(b"ours")
    assert target.read_bytes() == b"another program's"
    assert os.listdir(tmp_path) == ["a"]


def _without_links(monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)


@pytest.mark.parametrize("links", [True, False])
def test_one_of_many_writers_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    """Of eight threads that write the same new file at once one succeeds and the others see that it exists."""
    _without_links(monkeypatch, links)
    for turn in range(10):
        target, ready, won = tmp_path / str(turn), threading.Barrier(8), []

        def work(number: int, target: Path = target, ready: threading.Barrier = ready, won: list[int] = won) -> None:
            try:
                with atomic_file(str(target), overwrite=False) as file:
                    file.write(b"%d" % number)
                    ready.wait(60)
            except FileExistsError:
                return
            won.append(number)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert target.read_bytes() == b"%d" % won[0]
    assert len(os.listdir(tmp_path)) == 10


def test_a_failure_on_a_file_system_without_links_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the last step fails neither the temporary file nor an empty one in its place stays."""
    _without_links(monkeypatch, False)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        _write(tmp_path / "a", b"1")
    assert os.listdir(tmp_path) == []


def test_times_of_what_is_no_file() -> None:
    """A stream and a path that is gone have no times to keep."""
    assert file_times(object()) is None
    assert file_times("/no/such/file") is None


@pytest.mark.parametrize(
    ("source", "name", "again"),
    [
        ("x.fits", "x.fits.rcz", "x.fits"),
        ("a.b/x.fit", "a.b/x.fit.rcz", "a.b/x.fit"),
        ("x.fits.gz", "x.fits.rcz", "x.fits"),
        ("x.FITS.BZ2", "x.FITS.rcz", "x.FITS"),
        ("x.fits.xz", "x.fits.rcz", "x.fits"),
        ("x.fts.zst", "x.fts.rcz", "x.fts"),
        ("x.fits.Z", "x.fits.rcz", "x.fits"),
        ("x.fits.fz", "x.fits.fz.rcz", "x.fits.fz"),
        ("x.fz", "x.fz.rcz", "x.fz"),
        ("x.fits.fz.gz", "x.fits.fz.rcz", "x.fits.fz"),
        ("x", "x.rcz", "x.fits"),
        ("x.img", "x.img.rcz", "x.img.fits"),
    ],
)
def test_names_come_back(source: str, name: str, again: str) -> None:
    """The name of a compressed file says what comes back: plain FITS, or FITS with tile-compressed images."""
    assert compressed_name(source) == name
    assert restored_name(name) == again


def test_names_of_what_is_taken_apart() -> None:
    """With recompress the .fz goes, since a plain file comes back."""
    assert compressed_name("x.fits.fz", recompress=True) == "x.fits.rcz"
    assert compressed_name("x.fits.fz.gz", recompress=True) == "x.fits.rcz"
    assert compressed_name("x.fits", recompress=True) == "x.fits.rcz"
    assert restored_name("x.fits.gz.rcz") == "x.fits"
    with pytest.raises(InputError, match=r"ends in \.rcz"):
        restored_name(".rcz")


def test_folders_are_searched_for_all_kinds(tmp_path: Path) -> None:
    """Compressed FITS files in a folder are found by their names, others are left."""
    names = ["a.fits", "b.fits.bz2", "c.FIT.XZ", "d.fts.zst", "e.fits.Z", "f.fits.fz", "g.fz", "h.fits.gz"]
    for name in [*names, "x.txt", "y.bz2", "z.rcz"]:
        (tmp_path / name).touch()
    assert [os.path.basename(path) for path in find_fits(str(tmp_path))] == sorted(names)
