"""Name output files after the input, write them beside the target and rename them when complete."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, TypeAlias, cast

from radcodec.errors import InputError
from radcodec.runtime.casa_folders import casa_table_type, is_casa_image
from radcodec.runtime.given_files import check_target_kind, is_url
from radcodec.runtime.option_values import true_or_false
from radcodec.runtime.spool import written_at_end

_PLAIN_SUFFIXES = (".fits", ".fit", ".fts")
# Suffixes of general-purpose compression, which is removed when reading and never restored.
_PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".z")
_TILED_SUFFIX = ".fz"
FITS_SUFFIXES = (
    *_PLAIN_SUFFIXES,
    _TILED_SUFFIX,
    *(plain + packed for plain in _PLAIN_SUFFIXES for packed in _PACKED_SUFFIXES),
)
_RCZ = ".rcz"

# Length of the target's name in a temporary name; file systems allow 255 bytes or fewer.
_START_BYTES = 100

# Access and modification time, in nanoseconds.
Times: TypeAlias = tuple[int, int]


def _local_name(source: str) -> str:
    """Return the name that a file behind a URL gets in the current folder; other names are unchanged."""
    if not is_url(source):
        return source
    from urllib.parse import unquote, urlsplit

    # Of a chain the first link names the file where it has a path, such as zip://x.rcz; others only change the way.
    first, *_, last = source.split("::") if "::" in source else (source, source)
    return unquote(urlsplit(first if "://" in first else last).path.rpartition("/")[2])


def _without(name: str, suffixes: tuple[str, ...]) -> str:
    """Return the name without its suffix, if that is one of these in upper or lower case."""
    suffix = next((suffix for suffix in suffixes if name.lower().endswith(suffix)), "")
    bare = name[: len(name) - len(suffix)]
    return bare if os.path.basename(bare) else name


def compressed_name(source: str, *, recompress: bool = False) -> str:
    """Return the .rcz name for a FITS file: ``x.fits``, ``x.fits.gz`` and ``x.fits.bz2`` give ``x.fits.rcz``.

    ``x.fits.fz`` gives ``x.fits.fz.rcz``, and with ``recompress`` ``x.fits.rcz``: named after the restored file. The
    folder of a CASA image ``x.image`` gives ``x.image.fits.rcz``.
    """
    if is_casa_image(source):
        return os.path.normpath(source) + _PLAIN_SUFFIXES[0] + _RCZ
    plain = _without(source, _PACKED_SUFFIXES)
    return (_without(plain, (_TILED_SUFFIX,)) if recompress else plain) + _RCZ


def restored_name(source: str) -> str:
    """Return the FITS name for a .rcz file: ``x.fits.rcz`` and ``x.rcz`` give ``x.fits``.

    The restored file is plain FITS: ``x.fits.gz.rcz`` gives ``x.fits``, and ``x.fits.fz.rcz`` gives ``x.fits.fz``.
    A URL gives the last part of its path, so that the file goes to the current folder.

    Raises
    ------
    InputError
        If the name does not end in .rcz.
    """
    source = _local_name(source)
    if not source.lower().endswith(_RCZ) or len(os.path.basename(source)) == len(_RCZ):
        raise InputError(f"expected a name that ends in {_RCZ}, found {source}: name the output file too")
    stem = source[: -len(_RCZ)]
    if stem.lower().endswith(FITS_SUFFIXES):
        stem = _without(stem, _PACKED_SUFFIXES)
    return stem if stem.lower().endswith((*_PLAIN_SUFFIXES, _TILED_SUFFIX)) else stem + ".fits"


def rcz_names(fits_name: str) -> list[str]:
    """Return the names of .rcz files that restore to a FITS file of that name, the likeliest first."""
    stem = _without(fits_name, _PLAIN_SUFFIXES[:1])
    names = [fits_name, *([stem] if stem != fits_name else []), *(fits_name + packed for packed in _PACKED_SUFFIXES)]
    return [name + _RCZ for name in names if restored_name(name + _RCZ) == fits_name]


def is_rcz_name(name: str) -> bool:
    """Return whether a name is that of a .rcz file."""
    return name.lower().endswith(_RCZ)


def find_original(folder: str, name: str) -> str:
    """Find the FITS file below a folder that the .rcz file ``name`` below another folder was made from.

    Raises
    ------
    InputError
        If the name does not end in .rcz.
    FileNotFoundError
        If there is none under the names that `compressed_name` gives this one.
    """
    plain = os.path.join(folder, restored_name(name))
    names = [plain + suffix for suffix in ("", _TILED_SUFFIX, *_PACKED_SUFFIXES, ".Z")]
    image = _without(plain, _PLAIN_SUFFIXES)
    found = next((path for path in names if os.path.exists(path)), image if is_casa_image(image) else None)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, f"expected the original of {name}, found none", plain)
    return found


def find_fits(folder: str) -> list[str]:
    """List the FITS files, by their names, and CASA images in a folder and below; OSError for an unreadable folder."""
    return _find(folder, FITS_SUFFIXES, images=True)


def find_rcz(folder: str) -> list[str]:
    """List the .rcz files in a folder and below, by their names, sorted; OSError for an unreadable folder."""
    return _find(folder, (_RCZ,))


def _find(folder: str, suffixes: tuple[str, ...], *, images: bool = False) -> list[str]:
    def refuse(error: OSError) -> None:
        # A folder skipped silently would be missing in the archive.
        raise error

    found: list[str] = []
    for place, folders, names in os.walk(folder, onerror=refuse):
        paths = (os.path.join(place, name) for name in names)
        found += [path for path in paths if path.lower().endswith(suffixes) and os.path.isfile(path)]
        if images:
            tables = [name for name in folders if casa_table_type(os.path.join(place, name))]
            found += [path for name in tables if is_casa_image(path := os.path.join(place, name))]
            # What a table holds is no file of its own.
            folders[:] = [name for name in folders if name not in tables]
    return sorted(found)


def _check_name(target: str) -> None:
    """Raise OSError where a name is longer than the file system allows."""
    try:
        os.lstat(target)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            text = f"expected a name that the file system can hold: {error.strerror}"
            raise OSError(error.errno, text, target) from error


def check_folder(target: str) -> None:
    """Raise OSError if a file cannot be made in the target's folder; no file is left there.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        The folder is missing, or is not a folder.
    OSError
        The operating system refuses a temporary file: no permission, a read-only file system.
    """
    final = os.path.realpath(target)
    folder = os.path.dirname(final)
    if not os.path.isdir(folder):
        number = errno.ENOTDIR if os.path.exists(folder) else errno.ENOENT
        raise OSError(number, "expected a folder to write to, found none", folder)
    try:
        _try_file(folder)
    except OSError as error:
        text = f"expected a folder that can be written to: {error.strerror}"
        raise OSError(error.errno, text, folder) from error
    if os.path.exists(final) and not _is_replaceable(os.stat(final), os.stat(folder)):
        text = "expected your own file to replace, since in this folder only owners may; found one of another user"
        raise OSError(errno.EPERM, text, final)


def _try_file(folder: str) -> None:
    """Make a temporary file in a folder and remove it; OSError where the operating system refuses."""
    with suppress(AttributeError, OSError):
        # A file without a name, which Linux can make. What fails here is tried in the other way.
        os.close(os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600))
        return
    import tempfile  # which takes a while

    with tempfile.TemporaryFile(dir=folder):
        pass


def _is_replaceable(file: os.stat_result, folder: os.stat_result) -> bool:
    """Return whether this process may replace a file in a folder: in a sticky one such as /tmp only its owner may."""
    if not folder.st_mode & stat.S_ISVTX or not hasattr(os, "geteuid"):
        return True
    return os.geteuid() in (0, file.st_uid, folder.st_uid)


def _is_special(target: str) -> bool:
    """Return whether a target is a device or a named pipe, which is written to and not replaced."""
    return os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode)


def _start_of(name: str) -> str:
    """Shorten a name so that a temporary file can be named after it."""
    return name.encode("utf-8", "surrogateescape")[:_START_BYTES].decode("utf-8", "ignore")


def check_target(target: str, overwrite: bool) -> None:
    """Raise FileExistsError if the target exists and must not be replaced.

    A device or a named pipe is not replaced, so it is always allowed.
    """
    if not target:
        raise InputError("expected the name of a file to write, found an empty name")
    _check_name(target)
    if os.path.isdir(target):
        raise IsADirectoryError(21, "expected the name of a file to write, found a folder", target)
    if not overwrite and os.path.lexists(target) and not _is_special(target):
        raise _exists(target)


def _exists(target: str) -> FileExistsError:
    text = "the output exists: give another name or allow to overwrite it (--overwrite; in Python overwrite=True)"
    return FileExistsError(17, text, target)


def file_times(source: object) -> Times | None:
    """Access and modification time of a file in nanoseconds; None for what is no path, or is not there."""
    if not isinstance(source, (str, os.PathLike)):
        return None
    try:
        status = os.stat(source)
    except OSError:
        return None
    return status.st_atime_ns, status.st_mtime_ns


def temporary_pattern(target: str) -> str:
    """Make a regular expression of the names that temporary files of a target have."""
    start = _start_of(os.path.basename(os.path.realpath(target)))
    return rf"\.{re.escape(start)}\.[a-z0-9_]{{8}}\.tmp"


def _temporary_path(final: str) -> str:
    """Choose a free name beside ``final`` for a temporary file."""
    folder, name = os.path.split(final)
    while True:
        path = os.path.join(folder or ".", f".{_start_of(name)}.{os.urandom(4).hex()}.tmp")
        if not os.path.lexists(path):
            return path


def _create(path: str, final: str) -> int:
    """Create an empty file and return its descriptor.

    Its permissions are those of the file that it replaces, else what the system makes of 0666. The system applies the
    umask: reading it would change it for the whole process.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    handle = os.open(path, flags, 0o666)
    with suppress(OSError):
        os.chmod(path, stat.S_IMODE(os.stat(final).st_mode))
    return handle


def sync_folder(path: str) -> None:
    """Have the system put the name of a file on the disk, where it can do that for folders."""
    with suppress(OSError):
        handle = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def publish(temporary: str, final: str, overwrite: bool) -> None:
    """Rename a finished file; without ``overwrite`` only if nothing has that name, in one step.

    Raises
    ------
    FileExistsError
        If the name is taken and ``overwrite`` is false.
    """
    if overwrite:
        os.replace(temporary, final)
        return
    try:
        os.link(temporary, final)
    except FileExistsError:
        raise _exists(final) from None
    except (OSError, NotImplementedError, AttributeError):
        # The file system has no hard links: an empty file reserves the name.
        try:
            os.close(os.open(final, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError:
            raise _exists(final) from None
        try:
            os.replace(temporary, final)
        except BaseException:
            os.unlink(final)
            raise
    else:
        os.unlink(temporary)


@contextmanager
def atomic_file(target: str, *, overwrite: bool, like: Times | None = None) -> Iterator[BinaryIO]:
    """Yield a binary file that becomes ``target`` if the block ends without an error; otherwise remove it.

    Parameters
    ----------
    like
        Access and modification time of the file, in nanoseconds.

    Raises
    ------
    FileExistsError
        If the target exists, or appears during the work, and ``overwrite`` is false.
    OSError
        As the operating system gives it.
    """
    check_target(target, overwrite)
    if _is_special(target):
        # A device or a named pipe cannot be replaced; it is written to.
        with open(target, "wb") as device, written_at_end(device) as spool:
            yield spool
        return
    final = os.path.realpath(target)
    # The name is known before the file is there: a signal at any moment from here on leaves nothing behind.
    temporary = _temporary_path(final)
    try:
        with os.fdopen(_create(temporary, final), "w+b") as file:
            yield cast(BinaryIO, file)
            file.flush()
            os.fsync(file.fileno())
        if like is not None:
            os.utime(temporary, ns=like)
        publish(temporary, final, overwrite)
    except BaseException:
        # Also after Ctrl-C: an incomplete file must not stay.
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


@contextmanager
def output_file(dst: str | os.PathLike[str] | BinaryIO, *, overwrite: bool, like: object) -> Iterator[BinaryIO]:
    """Yield the place for output: a file that appears on success, or the given stream.

    ``like`` gives the file its modification time: the result of `file_times`, or the path of an existing file.
    """
    if isinstance(dst, (str, os.PathLike)):
        times = cast(Times, like) if isinstance(like, tuple) else file_times(like)
        with atomic_file(os.fspath(dst), overwrite=overwrite, like=times) as file:
            yield file
        return
    with written_at_end(dst) as spool:
        yield spool


def check_fits_name(dst: object) -> None:
    """Raise InputError for a name with an ending that is not one of FITS files; a stream has none."""
    if not isinstance(dst, (str, os.PathLike)):
        return
    ending = os.path.splitext(os.path.basename(os.fspath(dst)))[1]
    if ending and ending.lower() not in _PLAIN_SUFFIXES:
        raise InputError(
            f"expected a name that ends in {', '.join(_PLAIN_SUFFIXES)} for a FITS file, found {os.fspath(dst)}: "
            "give it such a name (a picture is what preview writes)"
        )


def check_output(dst: str | os.PathLike[str] | BinaryIO, src: object, overwrite: bool) -> None:
    """Find a target that cannot be written before any work is done."""
    true_or_false("overwrite", overwrite)
    check_target_kind(dst)
    if not isinstance(dst, (str, os.PathLike)):
        return
    check_target(os.fspath(dst), overwrite)
    if not _is_special(os.fspath(dst)):
        check_folder(os.fspath(dst))
    if (
        isinstance(src, (str, os.PathLike))
        and os.path.exists(dst)
        and os.path.exists(src)
        and os.path.samefile(src, dst)
    ):
        raise InputError(f"expected an output other than the input, found {os.fspath(dst)} for both")
