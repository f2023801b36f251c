"""Make the zstandard dictionary for FITS headers.

``python -m radcodec.training.header_dictionary FOLDER... OUT`` reproduces the shipped one from the FITS files of the
folders and the headers of ``generic_headers.txt``. Without a folder it takes invented headers alone: the generic ones,
and those of ``invented_headers.txt``.

A dictionary trained by zstandard alone consists of short scattered pieces, so every card of a well-known header costs a
separate match. Here the content is arranged for long matches. Whole typical headers are at its end, and before them one
card of each other form. zstandard trains the entropy tables.

References
----------
RFC 8878, section 5 (dictionary format).
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

import zstandard

from radcodec.errors import InputError
from radcodec.fits.cards import CARD_BYTES, pad_header
from radcodec.fits.header import header_cards
from radcodec.fits.parse import parse_fits

DEFAULT_SIZE_BYTES = 112 * 1024
LEVEL = 19
# Whole headers at the end of the content. Those of FIRST have about 17 KB; more of them gained under 2 bytes a header.
_N_WHOLE = 2
# zstandard ends the entropy tables of a trained dictionary with these repeat offsets (1, 4, 8); content follows.
_REPEAT_OFFSETS = bytes.fromhex("010000000400000008000000")
# Dictionary identifiers below 2^15 and from 2^31 on are reserved (RFC 8878, section 5).
_FIRST_ID, _LAST_ID = 1 << 15, (1 << 31) - 1
_DIGITS = re.compile(rb"[0-9]+")


def generic_headers() -> list[bytes]:
    """Return headers in the styles of common radio and optical writers, from ``generic_headers.txt``."""
    return _written("generic_headers.txt")


def invented_headers() -> list[bytes]:
    """Return headers in the styles of all writers that are known here, without text of any survey."""
    return generic_headers() + _written("invented_headers.txt")


def _written(name: str) -> list[bytes]:
    """Return the padded headers of a text file of this package, one card a line."""
    text = resources.files("radcodec.training").joinpath(name).read_text(encoding="ascii")
    lines = [line for line in text.split("\n") if not line.startswith("#")]
    headers = "\n".join(lines).strip("\n").split("\n\n")
    return [
        pad_header(b"".join(line.rstrip().encode("ascii").ljust(CARD_BYTES) for line in header.split("\n")))
        for header in headers
    ]


def read_headers(folders: Iterable[Path]) -> list[bytes]:
    """Return the padded headers of all HDUs of the folders' ``.fits`` files, sorted by file name."""
    headers: list[bytes] = []
    for folder in folders:
        for path in sorted(folder.glob("*.fits")):
            data = path.read_bytes()
            headers += [data[hdu.header_start : hdu.data_start] for hdu in parse_fits(data)]
    return [header for header in headers if header]


def _typical(headers: Sequence[bytes]) -> list[bytes]:
    """Return the few headers whose cards recur most among all, most typical first."""
    counts = Counter(card for header in headers for card in set(header_cards(header)))
    covered: set[bytes] = set()
    chosen: list[bytes] = []
    for _ in range(min(_N_WHOLE, len(headers))):
        best = max(headers, key=lambda header: sum(counts[c] - 1 for c in set(header_cards(header)) - covered))
        chosen.append(best)
        covered.update(header_cards(best))
    return chosen


def _content(headers: Sequence[bytes], size: int) -> bytes:
    """Return dictionary content of at most ``size`` bytes, the most useful part last."""
    whole = _typical(headers)
    forms = {_DIGITS.sub(b"0", card) for header in whole for card in header_cards(header)}
    cards: list[bytes] = []
    for header in headers:
        for card in header_cards(header):
            form = _DIGITS.sub(b"0", card)
            if form not in forms:
                forms.add(form)
                cards.append(card)
    content = b"".join(cards) + b"".join(reversed(whole))
    return content[-size:]


def train_header_dictionary(headers: Sequence[bytes], size: int = DEFAULT_SIZE_BYTES) -> bytes:
    """Train a zstandard dictionary of at most ``size`` bytes; the same headers give the same bytes.

    Parameters
    ----------
    headers
        Whole headers, padding included. Their order matters: if not everything fits, cards of the last ones stay.

    Raises
    ------
    InputError
        If there are too few headers, or ``size`` is too small, for zstandard to train its tables.
    """
    try:
        trained = zstandard.train_dictionary(min(size, 32 * 1024), list(headers), level=LEVEL).as_bytes()
    except zstandard.ZstdError as err:
        raise InputError(f"expected enough headers to train on, found {len(headers)} ({err}): give more") from err
    tables_end = trained.find(_REPEAT_OFFSETS) + len(_REPEAT_OFFSETS)
    if tables_end < len(_REPEAT_OFFSETS):
        raise InputError("expected a dictionary with repeat offsets 1, 4, 8 from zstandard, found others")
    content = _content(headers, size - tables_end)
    digest = int.from_bytes(hashlib.sha256(content).digest()[:8], "little")
    identifier = _FIRST_ID + digest % (_LAST_ID - _FIRST_ID + 1)
    return trained[:4] + identifier.to_bytes(4, "little") + trained[8:tables_end] + content


def mean_size(headers: Sequence[bytes], dictionary: bytes | None) -> float:
    """Return mean bytes of a header, each compressed alone at level 19, with or without a dictionary."""
    given = None if dictionary is None else zstandard.ZstdCompressionDict(dictionary)
    compressor = zstandard.ZstdCompressor(
        level=LEVEL, dict_data=given, write_content_size=False, write_checksum=False, write_dict_id=False
    )
    return sum(len(compressor.compress(header)) for header in headers) / max(len(headers), 1)


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code is 0 (success) or 2 (usage)."""
    if not arguments or arguments[0].startswith("-"):
        sys.stderr.write("usage: python -m radcodec.training.header_dictionary [FOLDER...] OUT\n")
        return 2
    *folders, out = arguments
    read = read_headers(Path(folder) for folder in folders)
    headers = generic_headers() + read if folders else invented_headers()
    dictionary = train_header_dictionary(headers)
    Path(out).write_bytes(dictionary)
    digest = hashlib.sha256(dictionary).hexdigest()
    sys.stdout.write(f"{out}: {len(dictionary)} bytes from {len(headers)} headers, sha256 {digest}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
