"""Copy streams that cannot seek, such as pipes, to temporary files that can, and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from radcodec.limits import MAX_SPOOL_MEMORY


def spooled(stream: BinaryIO) -> BinaryIO:
    """Return a temporary file, at its start, with the rest of a stream. It is deleted when it is closed.

    Raises
    ------
    OSError
        The stream cannot be read, or the disk is full.
    """
    import shutil  # which take a while, and regular files need none
    import tempfile

    file = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=MAX_SPOOL_MEMORY))  # noqa: SIM115
    try:
        shutil.copyfileobj(stream, file, 1 << 20)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


@contextmanager
def written_at_end(out: BinaryIO) -> Iterator[BinaryIO]:
    """Yield a seekable file whose content is copied to ``out`` if the block ends without an error.

    Bytes written to a pipe cannot be recalled, so they are written only after all of them are checked.
    """
    import shutil
    import tempfile

    with tempfile.SpooledTemporaryFile(max_size=MAX_SPOOL_MEMORY) as spool:
        yield spool  # type: ignore[misc]  # a binary file in all that is used here
        spool.seek(0)
        shutil.copyfileobj(spool, out)
