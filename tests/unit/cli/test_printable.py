"""What comes from a file and is printed as text cannot command a terminal."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

import radcodec
from radcodec.cli.app import run
from radcodec.cli.errors import error_line, printable
from radcodec.container.layout import FORMAT_DRAFT
from radcodec.container.writer import FileContents, TileStreams, write_file
from radcodec.decoding.rcz_file import RczFile
from radcodec.errors import ModelNotFoundError
from radcodec.simulate import simulate_fits
from radcodec.types import Kind

RED, BELL, C1, BACKWARDS = "\x1b[31m", "\x07", "\x9b2J", "\u202e"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain µJy/beam 日", "plain µJy/beam 日"),
        (f"a{RED}b", "a\\x1b[31mb"),
        (f"{BELL}{C1}", "\\x07\\x9b2J"),
        (f"x{BACKWARDS}y", "x\\u202ey"),
        ("one\ntwo\r\t\x7f", "one\\ntwo\\r\\t\\x7f"),
        ("\ud800", "\\ud800"),
    ],
)
def test_only_printable_characters_are_left(text: str, expected: str) -> None:
    """Control characters, those that change the direction of text and lone surrogates come out as escapes."""
    assert printable(text) == expected


def test_errors_are_printable() -> None:
    """A name in an error comes from a file as often as not."""
    line = error_line(ModelNotFoundError(f"model {RED}evil not found"), f"dir{BELL}/x.rcz")
    assert line == "radcodec: dir\\x07/x.rcz: model \\x1b[31mevil not found"


def hostile_file(path: Path) -> None:
    """A sound file whose writer string and names hold terminal escapes."""
    content = simulate_fits((16, 16), seed=3)
    unit = content.index(b"BUNIT   = ")
    name = f"EXTNAME = 'SCI{RED}'".encode("latin-1").ljust(80)
    content = content[:unit] + f"BUNIT   = 'Jy{C1}'".encode("latin-1").ljust(80) + content[unit + 80 :]
    end = content.index(b"END" + b" " * 77)
    content = content[:end] + name + content[end : end + 80] + content[end + 160 :]
    out = io.BytesIO()
    radcodec.compress(io.BytesIO(content), out, max_error="0.5sigma", preview=0)
    with RczFile(out.getvalue()) as file:
        reader, meta = file.reader, file.reader.meta
        tiles = []
        for tile in range(reader.n_tiles(0)):
            mask, detail = reader.read_tile(0, tile)
            tiles.append(TileStreams(mask=mask, detail=detail, pixel_crc=reader.pixel_crc(0, tile)))
        contents = FileContents(
            kind=Kind.FITS,
            mode=reader.prelude.mode,
            meta=replace(meta, writer=f"radcodec{RED}\x1b]0;owned{BELL}"),
            params=reader.params,
            tiles=[tiles],
        )
    with path.open("wb") as stream:
        write_file(stream, contents)


def test_info_prints_no_escapes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Writer, HDU name and unit of a hostile file are shown, without what a terminal would obey."""
    path = tmp_path / "hostile.rcz"
    hostile_file(path)
    assert run(["info", str(path)]) == 0
    output = capsys.readouterr().out
    assert "radcodec\\x1b[31m\\x1b]0;owned\\x07" in output
    assert "Jy\\x9b2J" in output
    assert "SCI" in output
    assert all(char.isprintable() or char == "\n" for char in output)


def test_json_has_no_escapes_either(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has escapes of its own for them, so that the strings come back as they are in the file."""
    path = tmp_path / "hostile.rcz"
    hostile_file(path)
    assert run(["info", str(path), "--json"]) == 0
    output = capsys.readouterr().out
    assert all(char.isprintable() or char == "\n" for char in output)
    assert json.loads(output)["writer"].startswith(f"radcodec{RED}")
    assert json.loads(output)["format_draft"] == FORMAT_DRAFT
