"""The ``.rcz`` files of one folder as a server gives them: found by the name of their FITS file, few of them open."""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from radcodec.decoding.rcz_file import RczFile
from radcodec.decoding.virtual_fits import VirtualFits
from radcodec.errors import InputError
from radcodec.limits import SERVED_CACHE_BYTES, SERVED_OPEN_FILES
from radcodec.runtime.paths import is_rcz_name, rcz_names, restored_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A ``.rcz`` file that was found; ``identity`` changes when another file takes its place."""

    path: str
    identity: tuple[int, int, int, int]
    modified: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a list of a folder shows: a folder, or a FITS file and the size of its ``.rcz`` file."""

    name: str
    is_folder: bool = False
    size_bytes: int = 0


@dataclass(slots=True)
class OpenFile:
    """A file that is open; ``users`` work with it at this moment."""

    file: RczFile
    fits: VirtualFits
    users: int = field(default=0)


class Shelf:
    """All ``.rcz`` files in a folder and below. What lies outside of it, also by a link, is not there.

    Parameters
    ----------
    folder
        The folder.
    threads
        Threads that decode a tile each.
    """

    def __init__(self, folder: str, *, threads: int) -> None:
        self._root = os.path.realpath(folder)
        self._threads = threads
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[str, tuple[int, int, int, int]], OpenFile] = OrderedDict()

    def _inside(self, parts: tuple[str, ...]) -> str | None:
        """Return the real path of a name below the folder; None if it leads elsewhere."""
        for part in parts:
            if part in ("", ".", "..") or part.startswith(".") or any(char in part for char in ("/", "\\", "\0", ":")):
                return None
        path = os.path.realpath(os.path.join(self._root, *parts))
        return path if path == self._root or path.startswith(os.path.join(self._root, "")) else None

    def is_folder(self, parts: tuple[str, ...]) -> bool:
        """Return whether a name is that of a folder."""
        path = self._inside(parts)
        return path is not None and os.path.isdir(path)

    def find_rcz(self, parts: tuple[str, ...]) -> Place | None:
        """Find a ``.rcz`` file by its own name."""
        path = self._inside(parts)
        if path is None or not parts or not is_rcz_name(parts[-1]):
            return None
        with suppress(OSError, ValueError):
            status = os.stat(path)
            if stat.S_ISREG(status.st_mode):
                identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
                return Place(path=path, identity=identity, modified=status.st_mtime)
        return None

    def find_fits(self, parts: tuple[str, ...]) -> Place | None:
        """Find the ``.rcz`` file that restores to a FITS file of that name."""
        if not parts:
            return None
        found = (self.find_rcz((*parts[:-1], name)) for name in rcz_names(parts[-1]))
        return next((place for place in found if place is not None), None)

    def entries(self, parts: tuple[str, ...]) -> list[Entry]:
        """List the folders and FITS files in a folder; empty where there is none."""
        path = self._inside(parts)
        if path is None:
            return []
        found: list[Entry] = []
        for name in sorted(os.listdir(path)):
            inside = self._inside((*parts, name))
            if inside is None:
                continue
            if os.path.isdir(inside):
                found.append(Entry(name=name, is_folder=True))
            elif is_rcz_name(name):
                with suppress(InputError, OSError):
                    found.append(Entry(name=restored_name(name), size_bytes=os.path.getsize(inside)))
        return list({entry.name: entry for entry in found}.values())

    @contextmanager
    def opened(self, place: Place) -> Iterator[OpenFile]:
        """Yield an open file, the one that was found.

        Raises
        ------
        FileNotFoundError
            If another file has taken its place.
        RadcodecError, OSError
            As `radcodec.open`.
        """
        key = (place.path, place.identity)
        with self._lock:
            entry = self._open.pop(key, None)
            if entry is None:
                entry = self._start(place)
            self._open[key] = entry
            entry.users += 1
            spare = [other for other in self._open if not self._open[other].users]
            for other in spare[: max(0, len(self._open) - SERVED_OPEN_FILES)]:
                _end(self._open.pop(other))
        try:
            yield entry
        finally:
            with self._lock:
                entry.users -= 1

    def _start(self, place: Place) -> OpenFile:
        file = RczFile(place.path, threads=self._threads)
        try:
            status = os.stat(place.path)
            if (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns) != place.identity:
                text = "expected the file that was found, found another one in its place"
                raise FileNotFoundError(2, text, place.path)
            return OpenFile(file, file.fits_file(cache_bytes=SERVED_CACHE_BYTES))
        except BaseException:
            file.close()
            raise

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            for entry in self._open.values():
                _end(entry)
            self._open.clear()


def _end(entry: OpenFile) -> None:
    entry.fits.close()
    entry.file.close()
