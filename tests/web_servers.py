"""HTTP servers on loopback for tests: they count requests and round trips, and misbehave as they are asked to."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

# Longer than a request takes here, so that requests that do not wait for each other overlap.
DELAY_S = 0.05


@dataclass
class Traffic:
    """What a server was asked for, in order: method, path and range of each request, and how many at most at once."""

    requests: list[tuple[str, str, tuple[int, int] | None]] = field(default_factory=list)
    body_bytes: int = 0
    round_trips: int = 0
    active: int = 0

    @property
    def gets(self) -> int:
        """Number of GET requests."""
        return sum(method == "GET" for method, _, _ in self.requests)

    @property
    def heads(self) -> int:
        """Number of HEAD requests."""
        return sum(method == "HEAD" for method, _, _ in self.requests)

    def clear(self) -> None:
        """Forget all requests."""
        self.requests.clear()
        self.body_bytes = self.round_trips = 0


def _range_of(request: Any, size: int) -> tuple[int, int] | None:
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    if match is None:
        return None
    return int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)


def _application(files: dict[str, bytes], traffic: Traffic, behaviour: str) -> Any:
    from aiohttp import web

    async def answer(request: Any) -> Any:
        content = files.get(request.path.lstrip("/"))
        # A round trip begins with a request that finds no other under way.
        traffic.round_trips += traffic.active == 0
        traffic.active += 1
        try:
            await asyncio.sleep(DELAY_S)
            if content is None:
                traffic.requests.append((request.method, request.path, None))
                return web.Response(status=404)
            span = None if behaviour == "no ranges" else _range_of(request, len(content))
            traffic.requests.append((request.method, request.path, span))
            if span is not None and span[0] >= len(content):
                return web.Response(status=416)
            return await _send(request, content, span)
        finally:
            traffic.active -= 1

    async def _send(request: Any, content: bytes, span: tuple[int, int] | None) -> Any:
        first, stop = span or (0, len(content))
        body, total = content[first:stop], len(content)
        later = first > 0
        if behaviour == "short" and later:
            body = body[:-1]
        elif behaviour == "long" and later:
            body += b"\0"
        elif behaviour == "wrong bytes" and later:
            body = bytes(len(body))
        elif behaviour == "wrong total":
            total += 1
        headers = {"Content-Range": f"bytes {first}-{stop - 1}/{total}"} if span else {}
        traffic.body_bytes += len(body)
        if behaviour == "dies" and (later or span is None):
            response = web.StreamResponse(status=206 if span else 200, headers=headers)
            response.content_length = len(body)
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
            request.transport.abort()
            return response
        if behaviour == "fails" and later:
            return web.Response(status=503)
        return web.Response(status=206 if span else 200, body=body, headers=headers)

    application = web.Application()
    application.router.add_route("*", "/{name:.*}", answer)
    return application


@contextmanager
def web_server(files: dict[str, bytes], behaviour: str = "") -> Iterator[tuple[str, Traffic]]:
    """Serve files from memory in a thread: the URL of the folder, and what was asked for."""
    from aiohttp import web

    traffic = Traffic()
    loop = asyncio.new_event_loop()
    started = threading.Event()
    runner = web.AppRunner(_application(files, traffic, behaviour), shutdown_timeout=1.0)
    port = 0

    async def start() -> None:
        nonlocal port
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        started.set()

    def serve() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield f"http://127.0.0.1:{port}", traffic
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
