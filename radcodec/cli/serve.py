"""``radcodec serve``: a folder of ``.rcz`` files as FITS files over HTTP."""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import socket

import click

from radcodec.cli.common import quiet_option, report_errors, threads_option
from radcodec.cli.errors import DONE, error_line
from radcodec.cli.streams import say, tell
from radcodec.limits import SERVED_CONNECTIONS
from radcodec.runtime.extras import missing_extra
from radcodec.runtime.parallel import usable_threads

_LOG_LEVEL = "warning"


@click.command()
@click.argument("folder", metavar="DIR")
@click.option("--port", type=click.IntRange(0, 65535), default=8421, show_default=True, metavar="N",
              help="The port; 0 takes a free one.")  # fmt: skip
@click.option("--bind", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="The address to listen on.")
@click.option("--allow-origin", "origins", multiple=True, metavar="URL", help="A site whose scripts may read; many.")
@threads_option
@quiet_option
def serve(folder: str, port: int, bind: str, origins: tuple[str, ...], threads: int | None, quiet: bool) -> int:
    """Serve the .rcz files in a folder and below: FITS files by range, pictures, cut-outs and a viewer.

    Only this machine is served unless --bind says otherwise. Ctrl-C ends it.
    """
    with report_errors(folder):
        if not os.path.isdir(folder):
            number = errno.ENOTDIR if os.path.exists(folder) else errno.ENOENT
            raise OSError(number, "expected a folder of .rcz files, found none", folder)
    try:
        import uvicorn

        from radcodec.integrations.serve import make_app
    except ImportError as error:
        text = str(error) if "pip install" in str(error) else str(missing_extra("serve", "radcodec serve", error))
        raise click.UsageError(text) from error
    with report_errors(f"{bind}:{port}"):
        listener = _listen(bind, port)
    with listener:
        is_local = _is_local(bind)
        options = {} if is_local else {"hosts": None}
        app = make_app(folder, threads=usable_threads(threads), origins=origins, **options)
        config = uvicorn.Config(
            app, log_level=_LOG_LEVEL, access_log=False, server_header=False, proxy_headers=False,
            limit_concurrency=SERVED_CONNECTIONS, http="h11", ws="none",
        )  # fmt: skip
        logging.getLogger("uvicorn.error").addFilter(_in_one_line)
        if not is_local and not quiet:
            tell(f"radcodec: warning: {bind}: all who reach this address can read the files, without a password")
        if not quiet:
            host = f"[{bind}]" if ":" in bind else bind
            say(f"serving {folder} at http://{host}:{listener.getsockname()[1]}/ (Ctrl-C ends)")
        uvicorn.Server(config).run(sockets=[listener])
    return DONE


def _in_one_line(record: logging.LogRecord) -> bool:
    """Log an answer that was cut off in one line, without its traceback: a filter, which keeps every record."""
    from radcodec.integrations.serve import CutOffError

    error = record.exc_info[1] if record.exc_info else None
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, CutOffError) and error.__cause__ is not None:
        record.msg, record.args, record.exc_info = error_line(error.__cause__, str(error)), (), None
    return True


def _listen(bind: str, port: int) -> socket.socket:
    """Open the socket, so that an address in use is an error of the system like others."""
    try:
        family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        return socket.create_server((bind, port), family=family, backlog=SERVED_CONNECTIONS)
    except OSError as error:
        number = error.errno or errno.EADDRNOTAVAIL
        text = f"expected an address and a port to listen on: {os.strerror(number) if number > 0 else error}"
        raise OSError(number, text, f"{bind}:{port}") from error


def _is_local(bind: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return bind == "localhost"
