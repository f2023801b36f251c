"""A server of the ``.rcz`` files in a folder: FITS files by range, pictures, cut-outs and a viewer. Extra ``serve``.

- ``/``: a page that lists the folder; ``?format=json`` gives the same as JSON
- ``/deep/x.fits``: the restored FITS file of ``deep/x.fits.rcz``, HEAD and ranges
- ``/deep/x.fits.rcz``: the compressed file itself, HEAD and ranges
- ``/deep/x.fits/view``: the viewer
- ``/deep/x.fits/preview.png``: a picture (``plane``, ``hdu``, ``size``, ``full=1``, ``region=X0:X1,Y0:Y1``)
- ``/deep/x.fits/cutout``: a FITS file (``region``, or ``center`` and ``size``; ``plane``, ``hdu``, ``partial=1``)
- ``/deep/x.fits/value``: value and sky position of a pixel as JSON (``x``, ``y``, ``plane``, ``hdu``)
- ``/deep/x.fits/report``: the page that ``radcodec report`` writes
- ``/deep/x.fits/info.json``: what ``radcodec info --json`` prints

Decoding runs in a few threads, whatever the number of requests; an answer is made piece by piece while it is sent.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from email.utils import formatdate
from functools import partial
from typing import Any, ClassVar, TypeVar

from radcodec.errors import FormatError, InputError, ModelError, RadcodecError
from radcodec.integrations import looks
from radcodec.integrations.byte_ranges import Span, UnsatisfiableError, parse_ranges
from radcodec.integrations.shelf import Entry, OpenFile, Place, Shelf
from radcodec.limits import SERVED_PIECE_BYTES
from radcodec.pages import viewer
from radcodec.pages.html import STATIC_POLICY
from radcodec.runtime.extras import missing_extra

try:
    from anyio import CapacityLimiter, to_thread
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.cors import CORSMiddleware
    from starlette.requests import Request
    from starlette.responses import (
        FileResponse,
        HTMLResponse,
        JSONResponse,
        PlainTextResponse,
        RedirectResponse,
        Response,
        StreamingResponse,
    )
    from starlette.routing import Route
    from starlette.types import ASGIApp, Receive, Scope, Send
except ImportError as error:
    raise missing_extra("serve", "radcodec serve", error) from error

Result = TypeVar("Result")

_FITS_TYPE = "application/fits"
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


class CutOffError(Exception):
    """The file of this name, which was being sent, cannot be decoded to its end; the cause says why."""


class _OnlyHosts:
    """Answers requests for other hosts with 400: a page of another site could read a local server by its own name."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
            name = given.rpartition(":")[0] if ":" in given and not given.endswith("]") else given
            if name not in self._hosts:
                answer = PlainTextResponse("expected a request for this host by its local name\n", status_code=400)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


class _Handlers:
    """What answers requests, with the files and the threads that they share."""

    def __init__(self, shelf: Shelf, threads: int) -> None:
        self._shelf = shelf
        self._threads = threads
        self._limiter: CapacityLimiter | None = None

    async def _run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function in one of the threads that decode."""
        if self._limiter is None:
            self._limiter = CapacityLimiter(self._threads)
        result: Result = await to_thread.run_sync(partial(function, *arguments), limiter=self._limiter)
        return result

    async def answer(self, request: Request) -> Response:
        """Answer any request; errors as one line of text."""
        try:
            return await self._answer(request)
        except UnsatisfiableError as error:
            return _failure(416, error)
        except (InputError, ValueError) as error:
            return _failure(500 if isinstance(error, FormatError) else 400, error)
        except FileNotFoundError as error:
            return _failure(404, error)
        except ModelError as error:
            return _failure(501, error)
        except (RadcodecError, OSError) as error:
            return _failure(500, error)

    async def _answer(self, request: Request) -> Response:
        path = request.path_params["path"]
        parts = tuple(path.removesuffix("/").split("/")) if path else ()
        if path.endswith("/") or not parts:
            if await self._run(self._shelf.is_folder, parts):
                return await self._folder(request, parts)
            return _nothing()
        if (place := await self._run(self._shelf.find_rcz, parts)) is not None:
            return FileResponse(place.path, media_type="application/octet-stream", headers={"accept-ranges": "bytes"})
        if (place := await self._run(self._shelf.find_fits, parts)) is not None:
            return await self._fits(request, place, parts[-1])
        if len(parts) > 1 and parts[-1] in self._VIEWS:
            place = await self._run(self._shelf.find_fits, parts[:-1])
            if place is not None:
                return await self._VIEWS[parts[-1]](self, request, place, parts[-2])
        if await self._run(self._shelf.is_folder, parts):
            return RedirectResponse(request.url.path + "/", status_code=308)
        return _nothing()

    async def _folder(self, request: Request, parts: tuple[str, ...]) -> Response:
        entries: list[Entry] = await self._run(self._shelf.entries, parts)
        if request.query_params.get("format") == "json":
            names = ("folder" if entry.is_folder else "fits" for entry in entries)
            listed = [{"name": entry.name, "kind": kind, "rcz_bytes": entry.size_bytes or None}
                      for entry, kind in zip(entries, names, strict=True)]  # fmt: skip
            return JSONResponse({"folder": "/".join(parts), "entries": listed})
        rows = [(entry.name, entry.is_folder, entry.size_bytes) for entry in entries]
        return _page(viewer.folder_page(parts, rows), STATIC_POLICY)

    async def _fits(self, request: Request, place: Place, name: str) -> Response:
        """The FITS file, or ranges of it."""
        tag, size = await self._run(self._with_file, place, _tag_and_size)
        headers = {
            "accept-ranges": "bytes",
            "etag": tag,
            "last-modified": formatdate(place.modified, usegmt=True),
            "cache-control": "no-cache",
        }
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        # A range counts for GET alone (RFC 9110, 14.2), so that HEAD always gives the length of the file.
        valid = request.method == "GET" and request.headers.get("if-range", tag) in (tag, headers["last-modified"])
        try:
            spans = parse_ranges(request.headers.get("range") if valid else None, size)
        except UnsatisfiableError as error:
            return _failure(416, error, {**headers, "content-range": f"bytes */{size}"})
        if spans is None:
            return self._stream(request, place, 200, [(b"", (0, size))], {**headers, "content-type": _FITS_TYPE})
        if len(spans) == 1:
            start, stop = spans[0]
            headers |= {"content-type": _FITS_TYPE, "content-range": f"bytes {start}-{stop - 1}/{size}"}
            return self._stream(request, place, 206, [(b"", spans[0])], headers)
        boundary = secrets.token_hex(16)
        headers["content-type"] = f"multipart/byteranges; boundary={boundary}"
        pieces = [
            (
                f"\r\n--{boundary}\r\nContent-Type: {_FITS_TYPE}\r\n"
                f"Content-Range: bytes {start}-{stop - 1}/{size}\r\n\r\n".encode(),
                (start, stop),
            )
            for start, stop in spans
        ]
        return self._stream(request, place, 206, [*pieces, (f"\r\n--{boundary}--\r\n".encode(), (0, 0))], headers)

    def _stream(
        self, request: Request, place: Place, status: int, pieces: list[tuple[bytes, Span]], headers: dict[str, str]
    ) -> Response:
        """Answer with bytes and ranges of a file, one after the other, decoded as they are sent."""
        length = sum(len(before) + stop - start for before, (start, stop) in pieces)
        headers = {**headers, "content-length": str(length)}
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)

        async def content() -> AsyncIterator[bytes]:
            for before, (start, stop) in pieces:
                if before:
                    yield before
                for first in range(start, stop, SERVED_PIECE_BYTES):
                    try:
                        piece = await self._run(self._read, place, first, min(SERVED_PIECE_BYTES, stop - first))
                    except (RadcodecError, OSError) as error:
                        raise CutOffError(request.path_params["path"]) from error
                    yield piece

        return StreamingResponse(content(), status_code=status, headers=headers)

    def _read(self, place: Place, start: int, size: int) -> bytes:
        """Read bytes of the FITS file."""
        with self._shelf.opened(place) as entry:
            return entry.fits.read_at(start, size)

    def _with_file(self, place: Place, function: Callable[[OpenFile], Result]) -> Result:
        """Call a function with an open file, in the thread that calls."""
        with self._shelf.opened(place) as entry:
            return function(entry)

    async def _preview(self, request: Request, place: Place, name: str) -> Response:
        query = looks.Query.of(request.query_params)
        data = await self._run(self._with_file, place, lambda entry: looks.preview_png(entry.file, query))
        return Response(data, media_type="image/png", headers={"cache-control": "no-cache"})

    async def _cutout(self, request: Request, place: Place, name: str) -> Response:
        query = looks.Query.of(request.query_params)
        data = await self._run(self._with_file, place, lambda entry: looks.cutout_fits(entry.file, query))
        return Response(
            data, media_type=_FITS_TYPE, headers={"content-disposition": 'attachment; filename="cutout.fits"'}
        )

    async def _value(self, request: Request, place: Place, name: str) -> Response:
        query, given = looks.Query.of(request.query_params), request.query_params
        x, y = looks.whole_number(given.get("x"), "x"), looks.whole_number(given.get("y"), "y")
        return JSONResponse(
            await self._run(self._with_file, place, lambda entry: looks.value_at(entry.file, query, x, y))
        )

    async def _info(self, request: Request, place: Place, name: str) -> Response:
        report = await self._run(self._with_file, place, lambda entry: entry.file.info.to_dict())
        return JSONResponse({**report, "path": None})

    async def _report(self, request: Request, place: Place, name: str) -> Response:
        return _page(await self._run(self._with_file, place, lambda entry: looks.report(entry.file)), STATIC_POLICY)

    async def _view(self, request: Request, place: Place, name: str) -> Response:
        shapes = await self._run(self._with_file, place, lambda entry: looks.images_of(entry.file))
        nonce = secrets.token_urlsafe(16)
        return _page(viewer.viewer_page(name, shapes, nonce), viewer.policy(nonce))

    _VIEWS: ClassVar[dict[str, Callable[..., Awaitable[Response]]]] = {
        "preview.png": _preview,
        "cutout": _cutout,
        "value": _value,
        "info.json": _info,
        "report": _report,
        "view": _view,
    }


def _tag_and_size(entry: OpenFile) -> tuple[str, int]:
    return f'"{entry.file.reader.meta.restored_sha256.hex()}"', entry.fits.size_bytes


def _nothing() -> Response:
    return PlainTextResponse("expected the name of a FITS file or a folder, found none\n", status_code=404)


def _failure(status: int, error: Exception, headers: dict[str, str] | None = None) -> Response:
    """Answer with an error as one line, without a path of this machine."""
    words = error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
    return PlainTextResponse(" ".join(words.split()) + "\n", status_code=status, headers=headers)


def _page(content: str, policy: str) -> Response:
    headers = {"content-security-policy": f"{policy}; frame-ancestors 'none'; base-uri 'none'"}
    return HTMLResponse(content, headers={**headers, "referrer-policy": "no-referrer"})


class _NoSniffing:
    """Tells browsers to take each answer for what it says it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_header(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
            await send(message)

        await self._app(scope, receive, with_header)


def make_app(
    folder: str, *, threads: int, hosts: Sequence[str] | None = _LOCAL_NAMES, origins: Sequence[str] = ()
) -> Starlette:
    """Make the ASGI application that serves a folder.

    Parameters
    ----------
    threads
        How many requests are decoded for at once; each decodes with one thread.
    hosts
        Names by which requests may ask for this server; None for any.
    origins
        Web sites whose scripts may read what is served; ``*`` for all.
    """
    shelf = Shelf(folder, threads=1)
    handlers = _Handlers(shelf, threads)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        shelf.close()

    middleware = [Middleware(_NoSniffing)]
    if hosts is not None:
        middleware.append(Middleware(_OnlyHosts, hosts=tuple(hosts)))
    if origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(origins),
                allow_methods=["GET", "HEAD"],
                allow_headers=["Range", "If-Range"],
                expose_headers=["Content-Range", "Content-Length", "Accept-Ranges", "ETag"],
            )
        )
    routes = [Route("/{path:path}", handlers.answer, methods=["GET", "HEAD"])]
    return Starlette(routes=routes, middleware=middleware, lifespan=lifespan)
