"""The shape of the source tree: who may import whom, what lies where, what the pictures show."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from paths import DOCS, ROOT

SOURCE = ROOT / "src" / "clsctl"
DESIGN = DOCS / "explanation" / "design.md"
TOP_MODULES = {
    "__init__",
    "__main__",
    "errors",
    "http_client",
    "installation",
    "main",
    "paths",
    "plotting",
    "result",
    "settings",
    "urls",
    "values",
}
FACES = {"clsctl", "plugin"}
"""Packages whose `__init__` re-exports what others are to use."""

MOST_MODULES = 20
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"
LAYERS = "Imports run down only"
BUILTINS = "What the core needs of a built-in plugin it gets through the registry"
EVERY_NAME = """
import importlib, pkgutil, clsctl
before = {name: getattr(clsctl, name) for name in clsctl.__all__}
for module in pkgutil.walk_packages(clsctl.__path__, "clsctl."):
    if module.name != "clsctl.__main__":
        importlib.import_module(module.name)
print([name for name in before if getattr(clsctl, name) is not before[name]])
"""


def _load_house():
    spec = importlib.util.spec_from_file_location("house", ROOT / "benchmarks" / "house.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


house = _load_house()


@pytest.fixture(scope="module")
def imports():
    return house.imports()


# ---- imports -----------------------------------------------------------------------------------


def test_no_import_is_part_of_a_circle(imports):
    assert len(imports) > 500
    assert house.circular(imports) == []


def test_a_circle_would_be_seen():
    chain = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]
    assert house.circular(chain) == chain[:3]


def test_no_import_leads_upward(imports):
    assert house.upward(imports) == []


def test_an_import_upward_or_across_would_be_seen():
    up, across = ("clsctl.system.cpu", "clsctl.models.store"), ("clsctl.training", "clsctl.bench")
    down, near = ("clsctl.models.store", "clsctl.errors"), ("clsctl.system.cpu", "clsctl.system")
    assert house.upward([up, across, down, near]) == [up, across]


def test_nothing_inside_the_package_imports_from_its_face(imports):
    assert [importer for importer, imported in imports if imported == "clsctl"] == []


def test_the_contracts_speak_of_every_package():
    layered = {name.strip() for layer in house.layers() for name in layer.split("|")}
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert layered == packages | TOP_MODULES - {"__init__", "__main__"}
    (contract,) = [one for one in house.contracts() if one["type"] == "forbidden"]
    assert set(contract["source_modules"]) == {f"clsctl.{name}" for name in layered - {"builtin"}}


@pytest.fixture
def copy(tmp_path):
    """The sources and the contracts, to be spoilt."""
    shutil.copytree(
        SOURCE, tmp_path / "clsctl", ignore=shutil.ignore_patterns("*.ttc", "__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_contracts_are_kept(copy):
    done = lint(copy)
    assert done.returncode == 0, done.stdout
    assert f"{LAYERS} KEPT" in done.stdout
    assert f"{BUILTINS} KEPT" in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("system/cpu.py", "from clsctl.models.store import Store", LAYERS),
        ("system/cpu.py", "def f() -> None:\n    from clsctl.models import store", LAYERS),
        ("values.py", "if TYPE_CHECKING:\n    from clsctl.settings import Settings", LAYERS),
        (
            "images/decode.py",
            "if TYPE_CHECKING:\n    from clsctl.datasets.samples import Sample",
            LAYERS,
        ),
        ("training/loop.py", "def f() -> None:\n    import clsctl.quantization.int8", LAYERS),
        ("models/store.py", "def f() -> None:\n    import clsctl.builtin.devices.cpu", BUILTINS),
    ],
)
def test_the_contracts_see_an_import_that_leads_upward(copy, module, line, contract):
    path = copy / "clsctl" / module
    path.write_text(f"{path.read_text(encoding='utf-8')}\n\n{line}\n", encoding="utf-8")
    done = lint(copy)
    assert done.returncode == 1
    assert f"{contract} BROKEN" in done.stdout


def test_paths_are_asked_about_by_what_never_raises():
    """`Path.is_file` raises where a name is too long or a folder may not be entered."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in [*SOURCE.rglob("*.py"), *ROOT.glob("plugins/*/src/**/*.py")]
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("is_file", "is_dir", "exists")
        and not node.args
        and not node.keywords  # those of os.DirEntry have one
    ]
    assert found == []


def test_the_http_client_is_imported_in_one_place():
    """`clsctl.http_client` keeps secrets out of its log records."""
    sources = [*SOURCE.rglob("*.py"), *ROOT.glob("plugins/*/src/**/*.py")]
    found = {
        path.relative_to(ROOT).as_posix()
        for path in sources
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in _imported_modules(node)
        if name.split(".")[0] in ("aiohttp", "httpx", "requests", "urllib3")
        or name == "http.client"
    }
    assert found == {"src/clsctl/http_client.py"}


def _imported_modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_every_public_name_is_still_itself_after_every_module_was_imported():
    """A package of the same name would take the place of a function."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", EVERY_NAME],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "[]\n", done.stderr


# ---- files -------------------------------------------------------------------------------------


def folders() -> set[str]:
    """Every folder of the package, relative to it."""
    found = {path.parent.relative_to(SOURCE) for path in SOURCE.rglob("*.*")}
    return {path.as_posix() for path in found if "__pycache__" not in path.parts} - {"."}


def test_only_what_everything_speaks_in_lies_on_top():
    assert {path.stem for path in SOURCE.glob("*.py")} == TOP_MODULES


def test_a_package_says_what_is_in_it_and_holds_nothing_else():
    for path in SOURCE.rglob("__init__.py"):
        if path.parent.name not in FACES:
            (only,) = ast.parse(path.read_text(encoding="utf-8")).body
            assert isinstance(only, ast.Expr), path
            assert isinstance(only.value.value, str), path


def test_the_tests_have_the_same_folders():
    tests = ROOT / "tests"
    tested = {path.parent.relative_to(tests).as_posix() for path in tests.rglob("test_*.py")}
    assert tested - {"."} <= folders()


def test_no_folder_is_crowded():
    crowded = {path: n for path, n in house.folder_sizes(SOURCE).items() if n > MOST_MODULES}
    assert crowded == {}


@pytest.fixture(scope="module")
def functions():
    found = [each for path in house.modules(SOURCE) for each in house.functions(path)]
    assert len(found) > 1000
    return found


def test_every_function_is_annotated(functions):
    assert [each.name for each in functions if not each.annotated] == []


def test_no_function_is_longer_than_a_screen(functions):
    assert [each.name for each in functions if each.lines > house.LONGEST] == []


def test_one_place_opens_a_console_and_one_writes_to_standard_error():
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.parent.name != "console":
            assert not re.search(r"(?<!open_)\bConsole\(", text), path
            assert path.stem == "__main__" or "file=sys.stderr" not in text, path


# ---- pictures ----------------------------------------------------------------------------------


def drawn(page: Path) -> list[str]:
    """The folders that the tree in a page shows, relative to the package, from top to bottom."""
    (tree,) = re.findall(r"```text\nsrc/clsctl/\n((?: +.*\n)+)", page.read_text(encoding="utf-8"))
    found: list[str] = []
    above: dict[int, str] = {}
    for line in tree.splitlines():
        indent = len(line) - len(line.lstrip())
        above = {column: name for column, name in above.items() if column < indent}
        names = re.findall(r"\b([a-z_]+)/(?= |$)", line)
        found += ["/".join([*above.values(), name]) for name in names]
        above[indent] = names[-1]
    return found


def test_the_design_shows_every_folder():
    assert sorted(drawn(DESIGN)) == sorted(folders())


def test_the_design_shows_what_is_known_before_who_knows_it():
    rank = {name.strip(): n for n, layer in enumerate(house.layers()) for name in layer.split("|")}
    ranks = [rank[name] for name in drawn(DESIGN) if name in rank]
    assert ranks == sorted(ranks, reverse=True)


def test_the_readme_shows_every_folder_on_top():
    on_top = [name for name in folders() if "/" not in name]
    assert sorted(drawn(ROOT / "README.md")) == sorted(on_top)
