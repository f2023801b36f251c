"""The numbers of the house: length of files and functions, parameters, circles of imports (docs/architecture.md)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES = 400
FUNCTION_LINES = 60
PARAMETERS = 7
# Every keyword of these is a setting of its own, so a dataclass for them would only move the list.
FACADES = {
    ("radcodec.simulate", "simulate_image"),
    ("radcodec.simulate", "simulate_fits"),
    ("radcodec.training.finetune", "finetune"),
    ("radcodec.cli.train", "finetune"),
}
LAZY = {
    # A handle that is unpickled opens its file again, and files make handles.
    "radcodec.decoding.image_handle -> radcodec.decoding.rcz_file",
    # The completion script is made from all commands, and it is one of them.
    "radcodec.cli.completion -> radcodec.cli.app",
}


def load_house() -> ModuleType:
    """The module that measures; the folder of these tests is no package."""
    spec = importlib.util.spec_from_file_location("house", Path(__file__).with_name("house.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["house"] = module
    spec.loader.exec_module(module)
    return module


house = load_house()
TEXTS = {
    name: path.read_text(encoding="utf-8")
    for package in house.PACKAGES
    for name, path in house.source_files(ROOT, package).items()
}
FUNCTIONS = [(name, function) for name, text in TEXTS.items() for function in house.functions(text)]


def test_files_are_short() -> None:
    """No file of the library and its benchmarks has over 400 lines."""
    assert [name for name, text in TEXTS.items() if text.count("\n") > FILE_LINES] == []


def test_functions_are_short() -> None:
    """No function has over 60 lines of code, its docstring and comments left out."""
    assert [(name, one.name) for name, one in FUNCTIONS if one.lines > FUNCTION_LINES] == []


def test_functions_have_few_parameters() -> None:
    """No function has over 7 parameters but the keyword facades, and none of those is listed without need."""
    assert {(name, one.name) for name, one in FUNCTIONS if one.parameters > PARAMETERS} == FACADES


@pytest.mark.parametrize("package", house.PACKAGES)
def test_no_circles(package: str) -> None:
    """Neither modules nor rooms import one another in circles, lazy imports counted."""
    graph = house.imports(house.source_files(ROOT, package), house.exempt_imports(ROOT) | LAZY)
    assert house.circle(graph) == []
    assert house.circle(house.between_rooms(graph)) == []


def test_functions_are_measured() -> None:
    """Lines of code and parameters are counted as by hand: no docstring, comment, blank line or self."""
    source = (
        "class A:\n    @property\n    def f(self, a, /, b=1, *c, d, **e):\n"
        '        """Do it.\n\n        Well.\n        """\n        # why\n        x = [\n            a,\n\n        ]\n'
        "        return x\n\n    @staticmethod\n    def g(a):\n        return a\n\n\ndef h(): ...\n"
    )
    found = {one.name: (one.lines, one.parameters) for one in house.functions(source)}
    assert found == {"f": (5, 5), "g": (2, 1), "h": (1, 0)}


def test_lazy_imports_make_circles(tmp_path: Path) -> None:
    """A circle through an import in a function is found; one through an import for type checkers is none."""
    folder = tmp_path / "radcodec"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "a.py").write_text("def f():\n    from radcodec import b\n")
    (folder / "b.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import radcodec.a\n")
    assert house.circle(house.imports(house.source_files(tmp_path, "radcodec"))) == []
    (folder / "b.py").write_text("from radcodec.a import f\n")
    graph = house.imports(house.source_files(tmp_path, "radcodec"))
    assert set(house.circle(graph)) == {"radcodec.a", "radcodec.b"}
    assert house.count_circles(graph) == 1


def test_floors_are_counted() -> None:
    """The longest way down counts, and a circle lies on one floor."""
    assert house.count_floors({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == 3
    assert house.count_floors({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == 2
