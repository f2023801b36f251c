"""Copy streams that cannot seek, such as pipes, to temporary files that can."""

from __future__ import annotations

import shutil
import tempfile
from typing import BinaryIO, cast

from radcodec.limits import MAX_SPOOL_MEMORY


def spooled(stream: BinaryIO) -> BinaryIO:
    """Return a temporary file, at its start, with the rest of a stream. It is deleted when it is closed.

    Raises
    ------
    OSError
        The stream cannot be read, or the disk is full.
    """
    file = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=MAX_SPOOL_MEMORY))  # noqa: SIM115
    try:
        shutil.copyfileobj(stream, file, 1 << 20)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
