"""Tests of radcodec.fits.header and radcodec.fits.cards: cards read, put in, and read back by astropy."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from radcodec.errors import InputError
from radcodec.fits.cards import find_end, format_card, parse_value
from radcodec.fits.header import PROVENANCE_KEYWORDS, card_value, header_cards, insert_cards, provenance_cards
from radcodec.types import Mode


def header_of(n_cards: int) -> bytes:
    """Header of an empty unit with that many cards, END not counted."""
    cards = [b"SIMPLE  =                    T", b"BITPIX  =                    8", b"NAXIS   =                    0"]
    cards += [b"KEY%-5d= %20d" % (n, n) for n in range(n_cards - 3)] + [b"END"]
    joined = b"".join(card.ljust(80) for card in cards)
    return joined + b" " * (-len(joined) % 2880)


def provenance(bound: float = 2e-5) -> list[tuple[str, str | int | float | bool | None, str]]:
    """Provenance cards of a bounded file."""
    return provenance_cards(
        mode=Mode.BOUNDED,
        bound=bound,
        unit="Jy/beam",
        sigma=1.0 / 3,
        model_name="general",
        model_sha256="0123456789abcdef" * 4,
        version="0.1.0",
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A       =                    T / yes", True),
        ("A       = 'it''s /x'  / c", "it's /x"),
        ("A       = 'no end", "no end"),
        ("A       =  -1.5D-03 / c", -0.0015),
        ("A       = + 12", 12),
        ("A       = .5", 0.5),
        ("A       = 1.e3/c", 1000.0),
        ("A       =", None),
        ("A       = 1 2 x", None),
        ("A       = (1,2)", None),
        ("HISTORY = 3", 3),
        ("A         3", None),
        ("A       = '        '", ""),
    ],
)
def test_values_are_read_leniently(text: str, value: object) -> None:
    """Values in free, fixed and slightly wrong format are read; others are None."""
    found = parse_value(text.encode().ljust(80))
    assert found == value
    assert type(found) is type(value)


def test_end_counts_at_card_boundaries_only() -> None:
    """END inside of a card is not the end of the header."""
    header = b"COMMENT END     ".ljust(80) + b"END".ljust(80)
    assert find_end(header) == 80
    assert find_end(header[:80]) == -1
    assert header_cards(header) == [header[:80]]


def test_first_card_counts_and_unprintable_bytes_do_no_harm() -> None:
    """The first of repeated cards is given, whatever bytes the others hold."""
    header = b"COMMENT \t\xff\0".ljust(80) + b"A       = 1".ljust(80) + b"A       = 2".ljust(80) + b"END".ljust(80)
    assert card_value(header, "a") == 1
    assert card_value(header, "B") is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_read_back_identically(value: float) -> None:
    """A float64 in a card is read back bit for bit by astropy and by us."""
    card = format_card("RCZMAXE", value, "[Jy/beam] largest error")
    assert len(card) == 80
    read = fits.Card.fromstring(card)
    read.verify("exception")
    assert np.float64(read.value).tobytes() == np.float64(value).tobytes()
    assert np.float64(parse_value(card)).tobytes() == np.float64(value).tobytes()


@pytest.mark.parametrize("n_cards", [3, 10, 28, 29, 30, 34, 35, 36, 71])
def test_insertion_is_read_by_astropy(n_cards: int) -> None:
    """Cards are read by astropy, all other cards are untouched, and the length is a multiple of 2880."""
    header = header_of(n_cards)
    new = insert_cards(header, provenance())
    assert len(new) == -(-(n_cards + 1 + 6) // 36) * 2880
    assert header_cards(new)[:n_cards] == header_cards(header)
    with fits.open(io.BytesIO(new)) as hdus:
        hdus.verify("exception")
        read = hdus[0].header
        assert (read["RCZMODE"], read["RCZMAXE"], read["RCZSIGMA"]) == ("bounded", 2e-5, 1.0 / 3)
        assert (read["RCZSHA"], read["RCZVERS"]) == ("0123456789abcdef" * 4, "0.1.0")
        assert len(read) == n_cards + 6


def test_inserting_again_replaces() -> None:
    """Cards already there are rewritten in their slots; the same cards change nothing."""
    once = insert_cards(header_of(12), provenance())
    assert insert_cards(once, provenance()) == once
    twice = insert_cards(once, provenance(bound=4e-5))
    assert [card[:8] for card in header_cards(twice)] == [card[:8] for card in header_cards(once)]
    assert card_value(twice, "RCZMAXE") == 4e-5


def test_undefined_values() -> None:
    """What does not apply is written as an undefined value, so that an older one does not stay."""
    cards = provenance_cards(
        mode=Mode.LOSSY, bound=None, unit="\tµJy", sigma=None, model_name=None, model_sha256=None, version="1"
    )
    assert tuple(card[0] for card in cards) == PROVENANCE_KEYWORDS
    new = insert_cards(insert_cards(header_of(5), provenance()), cards)
    header = fits.Header.fromstring(new)
    assert header["RCZMAXE"] is None
    assert header.count("RCZMAXE") == 1
    assert header.comments["RCZMAXE"] == "[??Jy] largest error"


def test_bytes_after_end_are_kept() -> None:
    """Bytes other than blanks after END stay behind it: blanks are used up, then the header grows."""
    header = header_of(4)[:-6] + b"kept!!"
    new = insert_cards(header, provenance())
    assert len(new) == 2880
    assert new.endswith(b"kept!!")
    full = header_of(30)[: 31 * 80] + b"x" * 400
    new = insert_cards(full, provenance())
    assert len(new) == 5760
    assert new[find_end(new) + 80 :].rstrip(b" ") == b"x" * 400


def test_refusals() -> None:
    """No END, a commentary keyword, a value that is not finite or too long are refused."""
    with pytest.raises(InputError, match="END card, found none"):
        insert_cards(b"SIMPLE  =".ljust(2880), provenance())
    with pytest.raises(InputError, match="HISTORY"):
        insert_cards(header_of(3), [("HISTORY", None, "x")])
    with pytest.raises(InputError, match="finite number, found nan"):
        format_card("A", float("nan"))
    with pytest.raises(InputError, match="shorten the value"):
        format_card("A", "x" * 80)


def test_first_header_with_tabs(shared_data: Path) -> None:
    """A header that astropy refuses to print takes the cards, with every other byte as it was."""
    path = min((shared_data / "first" / "val").glob("*.fits"))
    header = path.read_bytes()[:17280]
    assert b"\t" in header
    new = insert_cards(header, provenance())
    end = find_end(header)
    assert new[:end] == header[:end]
    assert new[end + 480 : end + 560] == b"END".ljust(80)
    assert len(new) == len(header)
