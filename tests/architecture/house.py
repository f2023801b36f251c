"""Measure the house: the longest file and function, the most parameters, imports between rooms, floors and circles.

``python tests/architecture/house.py [CHECKOUT]`` prints the figures of docs/architecture.md.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGES = ("radcodec", "benchmarks")
NOT_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING,
    tokenize.ENDMARKER,
}  # fmt: skip
Def = ast.FunctionDef | ast.AsyncFunctionDef
Graph = dict[str, set[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """Size of a function: lines of code, and parameters without self and cls."""

    name: str
    lines: int
    parameters: int


def source_files(root: Path, package: str) -> dict[str, Path]:
    """Return the files of a package by the names of their modules."""
    found = {}
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def functions(source: str) -> Iterator[Function]:
    """Yield every function and method of a module."""
    lines = lines_of_code(source)
    for parent in ast.walk(ast.parse(source)):
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, Def):
                docstring = docstring_lines(node)
                n_lines = sum(line in lines and line not in docstring for line in range(node.lineno, end_of(node) + 1))
                yield Function(name=node.name, lines=n_lines, parameters=count_parameters(node, parent))


def lines_of_code(source: str) -> set[int]:
    """Return the numbers of the lines that hold more than comments and blanks."""
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NOT_CODE:
            found.update(range(token.start[0], token.end[0] + 1))
    return found


def docstring_lines(node: Def) -> range:
    """Return the numbers of the lines of a function's docstring."""
    return range(node.body[0].lineno, end_of(node.body[0]) + 1) if ast.get_docstring(node) is not None else range(0)


def end_of(node: ast.stmt) -> int:
    """Return the number of the last line of a statement."""
    return node.end_lineno or node.lineno


def count_parameters(node: Def, parent: ast.AST) -> int:
    """Count the parameters of a function; ``**options`` is one."""
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    is_static = any(ast.unparse(decorator) == "staticmethod" for decorator in node.decorator_list)
    bound = isinstance(parent, ast.ClassDef) and not is_static
    return len(named) - bound + (arguments.vararg is not None) + (arguments.kwarg is not None)


def imports(files: dict[str, Path], exempt: frozenset[str] = frozenset()) -> Graph:
    """Return which module imports which of the same package, lazily too; imports for type checkers do not count.

    A package's ``__init__`` is imported along with any of its modules; only imports by name count here. The imports in
    ``exempt``, as ``"a.b -> c.d"``, are left out.
    """
    graph: Graph = {name: set() for name in files}
    for name, path in files.items():
        for node in run_time_nodes(ast.parse(path.read_text(encoding="utf-8"))):
            graph[name] |= {
                target for target in targets(node, files) if target != name and f"{name} -> {target}" not in exempt
            }
    return graph


def exempt_imports(root: Path) -> frozenset[str]:
    """Return the imports that the contract on layers in pyproject.toml lists as exceptions."""
    tools = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    contracts = tools.get("importlinter", {}).get("contracts", [])
    layers = next((one for one in contracts if one["type"] == "layers"), {})
    return frozenset(layers.get("ignore_imports", []))


def run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes below a node, but those under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from run_time_nodes(child)


def targets(node: ast.AST, files: dict[str, Path]) -> Iterator[str]:
    """Yield the modules that an import statement names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in files)
    elif isinstance(node, ast.ImportFrom) and node.module in files:
        modules = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (module for module in modules if module in files)
        if any(module not in files for module in modules):
            yield node.module


def between_rooms(graph: Graph) -> Graph:
    """Return which room imports which: folders of a package, and the modules beside them."""
    rooms: Graph = {}
    for name, targets_of_it in graph.items():
        here = room(name)
        rooms.setdefault(here, set())
        rooms[here] |= {room(target) for target in targets_of_it} - {here}
    return rooms


def room(module: str) -> str:
    """Return the folder of a package, or the module beside the folders, that a module belongs to."""
    return ".".join(module.split(".")[:2])


def circle(graph: Graph) -> list[str]:
    """Return the modules of a circle of imports, none if there is no circle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def count_circles(graph: Graph) -> int:
    """Count the groups of modules that import one another in circles."""
    reach = {name: reachable(graph, name) for name in graph}
    groups = {
        frozenset(other for other in reach[name] if name in reach[other]) for name in graph if name in reach[name]
    }
    return len(groups)


def reachable(graph: Graph, start: str) -> set[str]:
    """Return the modules that a module imports, directly or through others."""
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph[name]
    return found


def count_floors(graph: Graph) -> int:
    """Count the floors: the longest way down through imports. A circle lies on one floor."""
    reach = {name: reachable(graph, name) for name in graph}
    floor: dict[str, int] = {}
    for name in sorted(graph, key=lambda name: len(reach[name] | {name})):
        below = [floor[other] for other in reach[name] if name not in reach[other] and other in floor]
        floor[name] = 1 + max(below, default=0)
    return max(floor.values(), default=0)


def describe(root: Path, package: str) -> list[str]:
    """Return the figures of a package, a line each."""
    files = source_files(root, package)
    texts = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    found = [(function, name) for name, text in texts.items() for function in functions(text)]
    longest = max(found, key=lambda pair: pair[0].lines)
    widest = max(found, key=lambda pair: pair[0].parameters)
    file, n_lines = max(((name, text.count("\n")) for name, text in texts.items()), key=lambda pair: pair[1])
    graph = imports(files, exempt_imports(root))
    rooms = between_rooms(graph)
    return [
        f"{package}: {len(files)} files, {sum(text.count(chr(10)) for text in texts.values())} lines",
        f"rooms {len(rooms)}, floors {count_floors(rooms)}, imports between rooms {sum(map(len, rooms.values()))}",
        f"circles of rooms {count_circles(rooms)}, of modules {count_circles(graph)}",
        f"longest file {file} ({n_lines} lines)",
        f"longest function {longest[1]}.{longest[0].name} ({longest[0].lines} lines of code)",
        f"most parameters {widest[1]}.{widest[0].name} ({widest[0].parameters})",
        f"functions over 7 parameters {sum(function.parameters > 7 for function, _ in found)},"
        f" over 60 lines {sum(function.lines > 60 for function, _ in found)}",
    ]


if __name__ == "__main__":
    checkout = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2])
    print("\n\n".join("\n".join(describe(checkout, package)) for package in PACKAGES))
