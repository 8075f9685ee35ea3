"""Print figures of the source tree: what imports what, annotations, lengths, modules per folder.

    python benchmarks/house.py

It reads the sources and needs grimp, which import-linter brings. Lazy and type-checking imports
count like any other. tests/test_house.py holds the figures that must never get worse.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grimp

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "clsctl"
LONGEST = 60
"""Lines of a function, above which it is named."""

Import = tuple[str, str]


def main() -> None:
    """Print every figure."""
    found = imports()
    print(f"imports            {len(found)}")
    _list("in circles", [f"{a} -> {b}" for a, b in circular(found)])
    _list("upward", [f"{a} -> {b}" for a, b in upward(found)])
    everything = [function for path in modules(SOURCE) for function in functions(path)]
    annotated = sum(function.annotated for function in everything)
    print(f"functions          {len(everything)}, {annotated / len(everything):.1%} annotated")
    _spread("  lines", [function.lines for function in everything])
    long = sorted(everything, key=lambda function: -function.lines)
    _list(f"  above {LONGEST}", [f"{f.lines} {f.name}" for f in long if f.lines > LONGEST])
    files = [len(path.read_text(encoding="utf-8").splitlines()) for path in modules(SOURCE)]
    print(f"files              {len(files)}")
    _spread("  lines", files)
    folder, most = max(folder_sizes(SOURCE).items(), key=lambda item: item[1])
    print(f"modules in a folder, at most {most}: {folder.relative_to(ROOT)}")


# ---- imports -----------------------------------------------------------------------------------


def imports() -> list[Import]:
    """Find every import inside the package: importing and imported module."""
    graph = grimp.build_graph("clsctl", exclude_type_checking_imports=False)
    return [
        (importer, imported)
        for importer in sorted(graph.modules)
        for imported in sorted(graph.find_modules_directly_imported_by(importer))
    ]


def circular(found: Sequence[Import]) -> list[Import]:
    """Return the imports that are part of a circle."""
    targets: dict[str, set[str]] = {}
    for importer, imported in found:
        targets.setdefault(importer, set()).add(imported)

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for target in targets.get(waiting.pop(), set()) - seen:
                seen.add(target)
                waiting.append(target)
        return seen

    reached = {module: reachable(module) for module in targets}
    return [(a, b) for a, b in found if a in reached.get(b, ())]


def upward(found: Iterable[Import]) -> list[Import]:
    """Return the imports against the order of pyproject.toml's import-linter contract.

    Two packages of one layer do not know each other either.
    """
    rank = {
        name.strip(): number for number, layer in enumerate(layers()) for name in layer.split("|")
    }
    wrong = []
    for importer, imported in found:
        one, other = _part(importer), _part(imported)
        if one != other and one in rank and other in rank and rank[one] >= rank[other]:
            wrong.append((importer, imported))
    return wrong


def layers() -> list[str]:
    """Read the layers of the contract, the highest first; `a | b` share one."""
    return next(one["layers"] for one in contracts() if one["type"] == "layers")


def contracts() -> list[dict[str, Any]]:
    """Read import-linter's contracts."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return content["tool"]["importlinter"]["contracts"]


def _part(module: str) -> str:
    """The package or module directly below clsctl."""
    return module.split(".")[1] if "." in module else module


# ---- files and functions -----------------------------------------------------------------------


@dataclass(frozen=True)
class Function:
    """A function or method.

    Attributes:
        lines: From `def` to its end; of a command, without the signature, which holds its options.
        annotated: Whether each argument and the result have a type.
    """

    name: str
    lines: int
    annotated: bool


def modules(folder: Path) -> list[Path]:
    """Find the Python files below a folder."""
    return sorted(folder.rglob("*.py"))


def folder_sizes(folder: Path) -> dict[Path, int]:
    """Count the modules directly in each folder, `__init__` apart."""
    sizes: dict[Path, int] = {}
    for path in modules(folder):
        sizes[path.parent] = sizes.get(path.parent, 0) + (path.name != "__init__.py")
    return sizes


def functions(path: Path) -> Iterator[Function]:
    """Read the functions and methods of a file, those inside others included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    methods = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for child in node.body
        if not any(ast.unparse(name) == "staticmethod" for name in _decorators(child))
    }
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            is_command = path.is_relative_to(SOURCE / "builtin" / "commands")
            first = node.body[0].lineno if is_command else node.lineno
            lines = (node.end_lineno or first) - first + 1
            name = f"{path.relative_to(SOURCE)}:{node.name}"
            yield Function(name, lines, _is_annotated(node, node in methods))


def _decorators(node: ast.stmt) -> list[ast.expr]:
    return getattr(node, "decorator_list", [])


def _is_annotated(node: ast.FunctionDef | ast.AsyncFunctionDef, is_method: bool) -> bool:
    named = [*node.args.posonlyargs, *node.args.args][int(is_method) :]
    arguments = [*named, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
    return node.returns is not None and all(one.annotation for one in arguments if one)


# ---- print -------------------------------------------------------------------------------------


def _spread(label: str, values: Sequence[int]) -> None:
    p90 = statistics.quantiles(values, n=10)[-1]
    median = statistics.median(values)
    print(f"{label:<19}median {median:g}, p90 {p90:g}, at most {max(values)}")


def _list(label: str, lines: Sequence[str]) -> None:
    print(f"{label:<19}{len(lines)}")
    for line in lines:
        print(f"    {line}")


if __name__ == "__main__":
    main()
