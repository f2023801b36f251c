"""Download archives of batches, resume interrupted downloads, check and unpack them.

Only downloads need pooch and tqdm (extra ``train``), so they are imported when one starts.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from radcodec.errors import InputError
from radcodec.limits import MAX_ARCHIVE_BYTES, MAX_BATCH_BYTES
from radcodec.version import VERSION

CHUNK_BYTES = 1 << 20
TIMEOUT_S = 30.0
#: Pause before another try, longer each time.
PAUSE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFile:
    """A file of an archive and its published MD5 (a guard against accidents: batches are never trusted)."""

    name: str
    md5: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A published tar archive of batches.

    file, md5 : its name and published MD5. url : where it is; None where no public address is known.
    folder : of the batches inside. train, test, meta : the batches.
    """

    file: str
    url: str | None
    md5: str
    folder: str
    train: tuple[BatchFile, ...]
    test: tuple[BatchFile, ...]
    meta: BatchFile

    @property
    def files(self) -> tuple[BatchFile, ...]:
        """All files."""
        return (*self.train, *self.test, self.meta)


def fetch_archive(archive: Archive, root: Path, *, progress: bool = True, retries: int = 2) -> Path:
    """Return the folder of unpacked batches below ``root``, downloading and unpacking what is not there yet.

    Batches that are there and have the published MD5 are left alone; so is an archive that was put there by hand.

    Raises
    ------
    InputError
        There is no public address, the download fails, or a hash differs.
    """
    folder = root / archive.folder
    if all(_has_md5(folder / item.name, item.md5) for item in archive.files):
        return folder
    path = root / archive.file
    if archive.url is None and not path.is_file():
        raise InputError(
            f"{path}: expected this archive (MD5 {archive.md5}), found none, and no public address of it is known; "
            "ask the authors of the data set for it and put it there"
        )
    if archive.url is None:
        if not _has_md5(path, archive.md5):
            raise InputError(f"{path}: expected MD5 {archive.md5}, found another; get the archive again")
    else:
        fetch_file(root, archive.file, archive.url, f"md5:{archive.md5}", progress=progress, retries=retries)
    unpack_archive(path, archive, folder)
    return folder


def fetch_file(root: Path, name: str, url: str, known_hash: str, *, progress: bool = True, retries: int = 2) -> Path:
    """Return ``root/name``, downloaded from ``url`` unless it is there already with the known hash (``md5:...``).

    An interrupted download is kept as ``name.part`` and resumed, in this call and in the next. A file with another hash
    is removed.

    Raises
    ------
    InputError
        The download fails or the hash differs.
    """
    import pooch

    store = pooch.create(path=root, base_url="", registry={name: known_hash}, urls={name: url})
    part = root / f"{name}.part"
    try:
        return Path(store.fetch(name, downloader=ResumingDownloader(part, progress=progress, retries=retries)))
    except ValueError as err:
        if isinstance(err, InputError):
            raise
        raise InputError(f"{url}: expected {known_hash}, found another hash; the file was removed: {err}") from err


class ResumingDownloader:
    """A pooch downloader that keeps its data in a ``.part`` file and asks the server for the rest."""

    def __init__(self, part: Path, *, progress: bool, retries: int) -> None:
        self._part = part
        self._progress = progress
        self._retries = retries

    def __call__(self, url: str, output_file: str | os.PathLike[str], _: Any) -> None:
        """Download the rest of ``url`` and move the whole file to ``output_file``.

        Raises
        ------
        InputError
            The server does not send the file.
        """
        self._part.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(self._retries + 1):
            try:
                self._download_rest(url)
                break
            except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as err:
                if attempt == self._retries or _is_refusal(err):
                    have = self._part.stat().st_size if self._part.is_file() else 0
                    raise InputError(
                        f"{url}: the download stopped after {have} bytes ({err}); call it again to resume"
                    ) from err
                time.sleep(PAUSE_S * (attempt + 1))
        os.replace(self._part, output_file)

    def _download_rest(self, url: str) -> None:
        """Append what is missing to the part file."""
        have = self._part.stat().st_size if self._part.is_file() else 0
        headers = {"User-Agent": f"radcodec/{VERSION}"} | ({"Range": f"bytes={have}-"} if have else {})
        try:
            response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
        except urllib.error.HTTPError as err:
            if err.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
                raise
            err.close()
            if err.headers.get("Content-Range") == f"bytes */{have}":
                return  # The file is complete: the last call stopped before the renaming.
            self._part.unlink()
            raise ConnectionError("the file has changed on the server") from err
        with response:
            # A server may ignore the range and send the whole file.
            start = have if str(response.headers.get("Content-Range")).startswith(f"bytes {have}-") else 0
            length = response.headers.get("Content-Length")
            total = start + int(length) if length else None
            self._append(response, start, total)

    def _append(self, response: Any, start: int, total: int | None) -> None:
        """Write a response to the part file from ``start`` (0: a new file), with a bar."""
        from tqdm import tqdm

        done = start
        bar = tqdm(
            total=total, initial=start, unit="B", unit_scale=True, desc=self._part.stem, disable=not self._progress
        )
        with bar, self._part.open("ab" if start else "wb") as stream:
            for chunk in _chunks(response):
                done += len(chunk)
                if done > MAX_ARCHIVE_BYTES:
                    raise InputError(f"{response.url}: expected at most {MAX_ARCHIVE_BYTES} bytes, found more")
                stream.write(chunk)
                bar.update(len(chunk))
        if total is not None and done != total:
            raise ConnectionError(f"{done} of {total} bytes came")


def unpack_archive(path: Path, archive: Archive, folder: Path) -> None:
    """Unpack the expected batches of the archive into ``folder``, under their own names, and nothing else.

    Raises
    ------
    InputError
        The archive is broken, or a batch is missing, too large or has another MD5.
    """
    wanted = {item.name: item.md5 for item in archive.files}
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                inside = PurePosixPath(member.name)
                if inside.parent.name != archive.folder or inside.name not in wanted:
                    continue
                stream = tar.extractfile(member) if member.isfile() else None
                if stream is None or member.size > MAX_BATCH_BYTES:
                    raise InputError(
                        f"{path}: expected {member.name} as a file of at most {MAX_BATCH_BYTES} bytes, "
                        f"found {member.size}"
                    )
                _write_checked(folder / inside.name, stream.read(), wanted.pop(inside.name))
    except (tarfile.TarError, EOFError, zlib.error, OSError) as err:
        raise InputError(f"{path}: expected a tar archive, found an unreadable one: {err}") from err
    if wanted:
        raise InputError(f"{path}: expected {archive.folder}/{min(wanted)}, found no such file in the archive")


def _write_checked(path: Path, content: bytes, md5: str) -> None:
    """Write a file whose MD5 is as published."""
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise InputError(f"{path}: expected MD5 {md5}, found {found}; get the archive again")
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def _has_md5(path: Path, md5: str) -> bool:
    """Return whether the file is there and has this MD5."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == md5


def _is_refusal(error: Exception) -> bool:
    """Return whether the server answers that it will not give the file, so that asking again is of no use."""
    return isinstance(error, urllib.error.HTTPError) and 400 <= error.code < 500 and error.code not in (408, 429)


def _chunks(response: Any) -> Iterator[bytes]:
    """Yield the bytes of a response; what goes wrong on the line becomes ConnectionError."""
    while True:
        try:
            chunk = response.read(CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as err:
            raise ConnectionError(str(err) or type(err).__name__) from err
        if not chunk:
            return
        yield chunk
