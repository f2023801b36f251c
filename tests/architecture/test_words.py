"""Docstrings, comments and messages are plain technical English: imperative, short sentences, no banned phrases."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "radcodec"
FILES = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))

MOST_WORDS = 25
BANNED = re.compile(
    r"\b(likewise|shall|lest|whoever|whereof|thereof|therein|of which|told|tells of|is said of|what there is to"
    r"|what there was to|take[ns]? (\w+ )?apart|nothing, after|as it is"
    r"|does not suffice|on its way|half.written)\b",
    re.IGNORECASE,
)
# A docstring of a function that starts like this describes a thing and does not say what the function does.
NOUN_START = re.compile(
    r"(The|A|An|One|All|What|Whether|Which|How|Where|When|If|At|For|From|To|Of)\b|\w+ of\b|\w+[^s\W]s\b"
)
SECTION = re.compile(r"(Parameters|Returns|Raises|Yields|Notes|References|Attributes|Examples)$")
# Lines of diagrams, formulas and lists that are not sentences.
NOT_TEXT = re.compile(r">>>|\.\.\. |->|<-|--|  +=|^\||=$|^::$")


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Yield line, text, and whether it is of a function that is not a property, of every docstring."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            text = ast.get_docstring(node)
            if text is None:
                continue
            is_function = isinstance(node, ast.FunctionDef) and not any(
                "property" in ast.unparse(decorator) for decorator in node.decorator_list
            )
            yield node.body[0].lineno, text, is_function


def strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of every string with a blank in it: messages and help."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of every comment."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def sentences(docstring: str) -> Iterator[str]:
    """Yield the sentences of a docstring; items of lists and parameters end where the next one starts."""
    paragraph: list[str] = []
    indent = 0
    for line in [*docstring.split("\n"), ""]:
        text, here = line.strip(), len(line) - len(line.lstrip())
        starts = text.startswith("- ") or re.match(r"[\w, `]+ : ", text)
        skipped = not text or SECTION.match(text) or NOT_TEXT.search(text)
        if paragraph and (skipped or starts or here != indent):
            yield from re.split(r"(?<=[.!?:])\s+(?=[A-Z0-9`\"(])", " ".join(paragraph))
            paragraph = []
        if not skipped:
            paragraph.append(text)
            indent = here


def count_words(sentence: str) -> int:
    """Count the words of a sentence; code between backquotes is one word."""
    plain = re.sub(r"``[^`]*``|`[^`]*`", "X", sentence)
    return sum(bool(re.search(r"\w", word)) for word in plain.split())


def complaints(name: str, source: str) -> list[str]:
    """Return what is wrong with the words of a file, a line each."""
    tree = ast.parse(source)
    found: list[str] = []
    for line, text, is_function in docstrings(tree):
        first = text.split("\n")[0]
        if is_function and NOUN_START.match(first):
            found.append(f"{name}:{line} the first line is not an imperative: {first}")
        long = [sentence for sentence in sentences(text) if count_words(sentence) > MOST_WORDS]
        found += [f"{name}:{line} over {MOST_WORDS} words: {sentence}" for sentence in long]
    for line, text in [*strings(tree), *comments(source)]:
        if match := BANNED.search(text):
            found.append(f"{name}:{line} {match[0]!r}")
    return found


@pytest.mark.parametrize("name", FILES)
def test_words_are_plain(name: str) -> None:
    """No file of the package has a banned phrase, a long sentence, or a docstring that is no imperative."""
    assert complaints(name, (PACKAGE / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ('def f():\n    """The bytes of a prelude."""\n', "not an imperative"),
        ('def f():\n    """Bytes of a prelude."""\n', "not an imperative"),
        ('def f():\n    """Returns the bytes."""\n', "not an imperative"),
        ('def f():\n    """Whether it holds."""\n', "not an imperative"),
        ('x = "one thing, of which another is part"\n', "of which"),
        ("# Likewise here.\n", "Likewise"),
        ('"""' + "word " * 26 + '"""\n', "over 25 words"),
        ('def f():\n    """Do it.\n\n    x\n        ' + "word " * 26 + '\n    """\n', "over 25 words"),
    ],
)
def test_the_check_finds_faults(source: str, complaint: str) -> None:
    """Each kind of fault is found in a file that has it."""
    assert any(complaint in line for line in complaints("x.py", source))


def test_good_words_pass() -> None:
    """Imperatives that end in s, numpydoc sections and diagrams are not complained about."""
    source = (
        '"""Pack records.\n\n::\n\n    a -> b -> c\n"""\n\n\ndef f():\n    """Compress a file; pass a name.\n\n'
        "    Raises\n    ------\n    InputError\n        If there is none.\n"
        '    """\n'
    )
    assert complaints("x.py", source) == []
