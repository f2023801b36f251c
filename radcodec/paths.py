"""Output files: named after the input, written beside the target and renamed, never half there."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from radcodec.errors import InputError

FITS_SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz")
_RCZ = ".rcz"


def compressed_name(source: str) -> str:
    """Name of the .rcz file of a FITS file: ``x.fits`` and ``x.fits.gz`` give ``x.fits.rcz``."""
    return (source[:-3] if source.lower().endswith(".gz") else source) + _RCZ


def restored_name(source: str) -> str:
    """Name of the FITS file of a .rcz file: ``x.fits.rcz`` and ``x.rcz`` give ``x.fits``.

    Raises
    ------
    InputError
        If the name does not end in .rcz, so that there is nothing to take off.
    """
    if not source.lower().endswith(_RCZ) or len(os.path.basename(source)) == len(_RCZ):
        raise InputError(f"expected a name that ends in {_RCZ}, found {source}: name the output file too")
    stem = source[: -len(_RCZ)]
    return stem if stem.lower().endswith(FITS_SUFFIXES) else stem + ".fits"


def find_fits(folder: str) -> list[str]:
    """Paths of the FITS files in a folder and below, by their names, sorted."""
    found = (path for path in Path(folder).rglob("*") if path.name.lower().endswith(FITS_SUFFIXES) and path.is_file())
    return sorted(map(str, found))


def check_target(target: str, overwrite: bool) -> None:
    """Nothing; raises FileExistsError where the target is there and may not be replaced."""
    if os.path.isdir(target):
        raise IsADirectoryError(21, "expected the name of a file to write, found a folder", target)
    if not overwrite and os.path.lexists(target):
        raise FileExistsError(17, "the output exists: give another name or allow to overwrite it", target)


def _mode_for(target: str) -> int:
    """Permissions that a new file gets: those of the file that it replaces, else as the umask has it."""
    try:
        return stat.S_IMODE(os.stat(target).st_mode)
    except OSError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask


@contextmanager
def _spooled(out: BinaryIO) -> Iterator[BinaryIO]:
    """A file that can be read and sought, whose content goes to ``out`` when the block ends without an error.

    What was written to a pipe cannot be taken back, so nothing goes there before all of it is checked.
    """
    with tempfile.SpooledTemporaryFile(max_size=64 << 20) as spool:
        yield spool  # type: ignore[misc]  # a binary file in all that is used here
        spool.seek(0)
        shutil.copyfileobj(spool, out)


@contextmanager
def atomic_file(target: str, *, overwrite: bool, like: str | None = None) -> Iterator[BinaryIO]:
    """A binary file that becomes ``target`` when the block ends without an error; otherwise nothing is left behind.

    Parameters
    ----------
    like
        Path whose modification time the file gets.

    Raises
    ------
    FileExistsError
        If the target is there and ``overwrite`` is not set, also when it appeared meanwhile.
    OSError
        As the operating system gives it.
    """
    check_target(target, overwrite)
    if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
        # A device or a named pipe cannot be replaced; it is written to.
        with open(target, "wb") as device, _spooled(device) as spool:
            yield spool
        return
    final = os.path.realpath(target)
    folder, name = os.path.split(final)
    handle, temporary = tempfile.mkstemp(prefix=f".{name[:100]}.", suffix=".tmp", dir=folder or ".")
    try:
        with os.fdopen(handle, "w+b") as file:
            yield cast(BinaryIO, file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode_for(final))
        if like is not None:
            times = os.stat(like)
            os.utime(temporary, ns=(times.st_atime_ns, times.st_mtime_ns))
        check_target(target, overwrite)
        os.replace(temporary, final)
    except BaseException:
        # Ctrl-C included: a half-written file must not stay.
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


@contextmanager
def output_file(dst: str | os.PathLike[str] | BinaryIO, *, overwrite: bool, like: object) -> Iterator[BinaryIO]:
    """Where output goes: a file that appears when all is well, or the stream that was given."""
    if isinstance(dst, (str, os.PathLike)):
        path = os.fspath(like) if isinstance(like, (str, os.PathLike)) else None
        with atomic_file(os.fspath(dst), overwrite=overwrite, like=path) as file:
            yield file
        return
    with _spooled(dst) as spool:
        yield spool


def check_output(dst: str | os.PathLike[str] | BinaryIO, src: object, overwrite: bool) -> None:
    """Nothing; raises before any work is done where the target cannot be written."""
    if not isinstance(dst, (str, os.PathLike)):
        return
    check_target(os.fspath(dst), overwrite)
    if (
        isinstance(src, (str, os.PathLike))
        and os.path.exists(dst)
        and os.path.exists(src)
        and os.path.samefile(src, dst)
    ):
        raise InputError(f"expected an output other than the input, found {os.fspath(dst)} for both")
