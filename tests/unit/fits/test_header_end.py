"""Cards put into a header whose END is followed by something else than blanks."""

from __future__ import annotations

import io

import pytest

import radcodec
from radcodec.fits.cards import find_end
from radcodec.fits.header import insert_cards
from radcodec.simulate import simulate_fits

CARDS = [(f"KEY{n}", n, "") for n in range(6)]


@pytest.mark.parametrize("n_cards", range(1, 36))
def test_end_stays_in_the_last_block(n_cards: int) -> None:
    """A reader looks for the data in the block behind the one that END is in, whatever follows END in its block."""
    cards = b"".join(f"COMMENT {n}".encode().ljust(80) for n in range(n_cards))
    for junk in (b"x", b"junk" * 20, b"y" * 2880):
        header = (cards + b"END".ljust(80) + junk)[:2880].ljust(2880)
        new = insert_cards(header, CARDS)
        end = find_end(new)
        assert len(new) % 2880 == 0
        assert end + 80 + -(end + 80) % 2880 == len(new)
        assert new.count(b"KEY5") == 1
        assert new[end + 80 :].rstrip(b" ") == header[len(cards) + 80 :].rstrip(b" ")


def test_a_bounded_file_of_such_a_header_is_sound() -> None:
    """The restored file has its data where its header says, and keeps its promise about the original."""
    content = simulate_fits((16, 16), seed=3)
    end = find_end(content)
    content = content[: end + 80] + b"left over " * ((2880 - end - 80) // 10) + content[2880:]
    assert len(content) == 2880 * 2
    out, back = io.BytesIO(), io.BytesIO()
    radcodec.compress(io.BytesIO(content), out, max_error="0.5sigma", preview=0)
    radcodec.decompress(io.BytesIO(out.getvalue()), back)
    restored = back.getvalue()
    end = find_end(restored)
    start = end + 80 + -(end + 80) % 2880
    assert len(restored) == start + 2880
    radcodec.verify(io.BytesIO(out.getvalue()), against=io.BytesIO(content))
