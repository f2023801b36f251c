"""Work on many files by the workers of a dask.distributed scheduler. Needs the extra ``dask``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from radcodec.runtime.extras import missing_extra

Item = TypeVar("Item")

# A scheduler that does not answer by then is not there.
_CONNECT_SECONDS = 30.0


def on_cluster(
    function: Callable[[Item], Any], items: Sequence[Item], *, address: str, retries: int
) -> Iterator[tuple[int, Any]]:
    """Give the number of each item and what its work gave, or the exception that it ended with, as they are done.

    What has not begun is cancelled when the caller stops.

    Parameters
    ----------
    function
        Of a module that the workers can import. Where it raises, it is called again up to ``retries`` times.

    Raises
    ------
    ImportError
        If dask.distributed is not installed.
    OSError
        If no scheduler answers.
    """
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise missing_extra("dask", "radcodec batch --dask", error) from error

    with Client(address, timeout=_CONNECT_SECONDS, set_as_default=False) as client:
        futures = client.map(function, items, pure=False, retries=retries)
        numbers = {future.key: number for number, future in enumerate(futures)}
        finished = as_completed(futures, loop=client.loop)
        del futures
        try:
            for future in finished:
                failure = future.exception()
                yield numbers.pop(future.key), future.result() if failure is None else failure
        finally:
            client.cancel([future for future in finished.futures])
