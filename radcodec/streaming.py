"""Files that take planes as an instrument gives them, and what is left of one whose writer was ended."""

from __future__ import annotations

import errno
import io
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Unpack, cast

from radcodec.container.report import Report, describe
from radcodec.decoding.rcz_file import open_reader
from radcodec.encoding.keywords import Path, StreamKeywords
from radcodec.errors import BoundError, InputError, RadcodecError, TruncatedError
from radcodec.runtime.keywords import fill_in, spelled_out
from radcodec.runtime.option_values import name_or_path
from radcodec.runtime.paths import atomic_file, check_output, publish, sync_folder

if TYPE_CHECKING:
    import numpy.typing as npt

PART = ".part"
# Options of `radcodec.compress` that a stream cannot have.
_NOT_OF_STREAMS = ("lossy", "lossy_bpp", "lossy_stages", "preview", "model", "details_on_base", "smallest")


class PlaneStream:
    """A ``.rcz`` file that takes planes as they come; `radcodec.create` makes one. A context manager.

    It writes ``NAME.part`` and gives it its name when it is closed. An error inside the ``with`` leaves the part, from
    which `radcodec.recover` restores every complete plane.

    Attributes
    ----------
    path, part_path
        The name of the file, and of what is written until it is closed.
    report
        What was written, once it is closed; None before.
    """

    def __init__(
        self, path: str, *, shape: Sequence[Any], dtype: npt.DTypeLike, header: Any, overwrite: bool, given: Any
    ) -> None:
        from radcodec.encoding.options import make_options
        from radcodec.encoding.plane_stream import PlaneWriter, plan_stream

        self.path = path
        self.part_path = os.path.realpath(path) + PART
        self.report: Report | None = None
        self._overwrite = overwrite
        self._sync = given.pop("sync")
        self._start = time.perf_counter()
        plan = plan_stream(shape, dtype, header, make_options({**given, "preview": 0}))
        check_output(path, None, overwrite)
        if os.path.exists(path) and not os.path.isfile(path):
            raise InputError(f"expected the name of a file for a stream, found a device or a pipe: {path}")
        self._file: BinaryIO | None = _create_part(self.part_path)
        try:
            self._writer = PlaneWriter(self._file, plan)
        except BaseException:
            self._give_up(remove=True)
            raise

    @property
    def n_planes(self) -> int:
        """Planes that have come so far: steps along the slowest axis."""
        return self._writer.n_frames

    @property
    def n_written(self) -> int:
        """Planes that are in the file: what `radcodec.recover` would restore now."""
        return self._writer.n_written

    def append(self, planes: npt.ArrayLike) -> None:
        """Add one plane, or several along a first axis; they are coded and written when this returns.

        Where tiles hold several planes, the last of them wait until a tile is full.

        Raises
        ------
        InputError
            If they do not have the shape and dtype of the stream, or integers are masked.
        BoundError
            If the bound does not fit the first plane.
        GuaranteeError
            If a plane does not decode to what it should. It is not in the file; the ones before are.
        OSError
            If the system refuses, such as for a full disk. The planes before stay, and another try may follow.
        ValueError
            If the stream is closed.
        """
        if self._file is None:
            raise ValueError("expected an open stream to append to, found one that was closed")
        self._writer.append(planes, sync=self._sync)

    def close(self) -> Report:
        """Write what is known last, give the file its name and return a `Report`; a second call changes nothing.

        Raises
        ------
        InputError
            If no plane has come: no file is left.
        FileExistsError
            If the name was taken meanwhile; the part stays.
        OSError
            If the system refuses; the part stays.
        """
        if self.report is not None:
            return self.report
        if self._file is None:
            raise ValueError("expected an open stream to close, found one that was given up")
        try:
            if not self._writer.n_frames:
                self._give_up(remove=True)
            self._writer.close()
            self._file.close()
            with ExitStack() as stack:
                reader = open_reader(self.part_path, stack)
                found = describe(reader, path=self.path, warnings=tuple(self._writer.warnings))
            publish(self.part_path, os.path.realpath(self.path), self._overwrite)
            sync_folder(self.part_path)
        except BaseException:
            self._give_up()
            raise
        self._file = None
        self.report = replace(found, seconds=time.perf_counter() - self._start)
        return self.report

    def _give_up(self, *, remove: bool = False) -> None:
        """Close the part and leave it where it is, or remove it."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if remove:
            with suppress(FileNotFoundError):
                os.unlink(self.part_path)

    def __enter__(self) -> PlaneStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        if self._file is not None:
            kept = self._writer.n_written
            self._give_up(remove=not kept)
            if kept:
                error.add_note(
                    f"{kept} planes are complete in {self.part_path}: radcodec recover {self.part_path} {self.path}"
                )

    def __repr__(self) -> str:
        state = "closed" if self._file is None else f"{self.n_planes} planes"
        return f"<PlaneStream {self.path}: {state}>"


def _create_part(path: str) -> BinaryIO:
    """Create the part of a file, without a buffer; raises FileExistsError where there is one."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        handle = os.open(path, flags, 0o666)
    except FileExistsError as err:
        text = (
            "a stream to this name is being written, or was ended: radcodec recover restores its planes, then remove it"
        )
        raise FileExistsError(errno.EEXIST, text, path) from err
    return cast(BinaryIO, io.FileIO(handle, "r+"))


@spelled_out(StreamKeywords)
def create(
    dst: Path,
    *,
    shape: Sequence[int | None],
    dtype: npt.DTypeLike,
    header: Any = None,
    overwrite: bool = False,
    **options: Unpack[StreamKeywords],
) -> PlaneStream:
    """Create a ``.rcz`` file that takes planes as they come: ``with radcodec.create(...) as w: w.append(plane)``.

    Each plane is coded and written when it comes. How many there are is known when the file is closed. It is an
    ordinary file of kind FITS then, with one image. Until then it is ``NAME.part``.

    Parameters
    ----------
    dst
        A path.
    shape
        None for the number of planes, then the other axes as NumPy has them: ``(None, 2048, 2048)``.
    dtype
        Of the planes: int8 to int64, uint8 to uint64, float32 or float64.
    header
        Cards of the FITS header: a header of astropy, its text or bytes, or a mapping of keywords to values. With
        BSCALE or BZERO in it, planes are samples as FITS stores them.
    overwrite
        Whether ``dst`` may exist.
    max_error
        As `encode` has it. A bound in sigma or localsigma is from the noise of each plane.
    tile
        As `encode` has it; one plane deep unless the side along the slowest axis is given too. Planes then wait until
        a tile is full.
    sync
        Have the disk confirm every plane, so that it outlives a power cut too, not only the end of the process.

    The other options are those of `encode`.

    Raises
    ------
    FileExistsError, OSError
        If ``dst`` or its part exists, or the system refuses.
    InputError, BoundError, UnsupportedDataError
        If the shape, dtype, header or an option is unsound. There is no lossy mode and no preview of a stream: both
        depend on the size of the whole file.
    """
    from radcodec.encoding.bound_spec import is_auto_bound

    if is_auto_bound(options.get("max_error")):
        raise BoundError(
            "expected a largest error such as 0.125sigma for a stream, found auto: that is chosen by the size of the "
            "whole file, so close the stream and compress the restored file with it"
        )
    refused = next((name for name in options if name in _NOT_OF_STREAMS), None)
    if refused is not None:
        raise InputError(
            f"expected a lossless stream or one with max_error, found {refused}: it depends on the size of the whole "
            "file, so close the stream and compress the restored file with it"
        )
    return PlaneStream(
        name_or_path("dst", dst),
        shape=shape,
        dtype=dtype,
        header=header,
        overwrite=overwrite,
        given=fill_in(StreamKeywords, options),
    )


def recover(src: Path, dst: Path, *, overwrite: bool = False) -> Report:
    """Restore every complete plane of a file that `create` could not close; gives a `Report` of what was written.

    Every plane is decoded and compared with its checksums. ``src`` is not changed. What follows the last complete plane
    is left out, and a warning says how much. A file that was closed and lacks only its name is copied.

    Raises
    ------
    FormatError
        If ``src`` is no such file, or has no complete plane.
    FileExistsError, OSError
        If ``dst`` exists, or the system refuses.
    """
    from radcodec.container.layout import MAX_PRELUDE_BYTES
    from radcodec.container.open_file import is_open

    start = time.perf_counter()
    source, target = name_or_path("src", src), name_or_path("dst", dst)
    check_output(target, source, overwrite)
    with ExitStack() as stack:
        part = stack.enter_context(open(source, "rb"))
        whole = not is_open(part.read(MAX_PRELUDE_BYTES))
        part.seek(0)
        with atomic_file(target, overwrite=overwrite) as out:
            warnings = _copy_whole(part, out, stack) if whole else _copy_planes(part, out)
            out.seek(0)
            reader = open_reader(out, stack)
            return describe(reader, path=target, seconds=time.perf_counter() - start, warnings=warnings)


def _copy_whole(part: BinaryIO, out: BinaryIO, stack: ExitStack) -> tuple[str, ...]:
    """Copy a file that was closed; raises FormatError where it is damaged."""
    import shutil

    from radcodec.decoding.verify import check_file
    from radcodec.runtime.parallel import usable_threads

    reader = open_reader(part, stack)
    warnings = check_file(reader, usable_threads(None))
    part.seek(0)
    shutil.copyfileobj(part, out)
    out.flush()
    return ("the file was closed: it is copied unchanged", *warnings)


def _copy_planes(part: BinaryIO, out: BinaryIO) -> tuple[str, ...]:
    """Copy the complete planes of an open file; gives a warning of what is left out."""
    from radcodec.container.open_file import iter_planes, read_opening
    from radcodec.container.ranges import LocalRanges
    from radcodec.encoding.plane_stream import PlaneRestorer
    from radcodec.pixels.tiles import count_tiles
    from radcodec.runtime.resources import header_dictionaries

    source = LocalRanges(part)
    opening = read_opening(source, dictionaries=header_dictionaries())
    restorer, end, why = PlaneRestorer(out, opening), opening.end, ""
    for planes in iter_planes(source, opening, count_tiles):
        try:
            restorer.add(planes)
        except RadcodecError as err:
            why = f" ({err})"
            break
        end = planes.end
    if not restorer.n_frames:
        raise TruncatedError(f"expected at least one complete plane, found none{why}: there is nothing to restore")
    restorer.close()
    left = source.size_bytes - end
    if not left:
        return ()
    return (f"{left} bytes behind the last of {restorer.n_frames} complete planes are left out{why}",)
