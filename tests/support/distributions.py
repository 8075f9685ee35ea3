"""The packages of this source tree, built; environments that they are installed into."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

from paths import ROOT

PROJECTS = (ROOT, *sorted((ROOT / "plugins").iterdir()))
OURS = ("clsctl", "clsctl-efficientnet-lite", "clsctl-ray", "clsctl-serve")


def build_all(folder: Path) -> Path:
    """Build an sdist of every project, and its wheel from that, as `make dist` does."""
    build = [sys.executable, "-m", "build", "--quiet", "--no-isolation", "--outdir", str(folder)]
    for project in PROJECTS:
        subprocess.run([*build, str(project)], check=True, capture_output=True)
    return folder


def own_environment(**changes: str) -> dict[str, str]:
    """What a process inherits, without what the tests set to see the source tree and be quick."""
    left_out = ("PYTHONPATH", "CLSCTL_BACKEND")
    inherited = {key: value for key, value in os.environ.items() if key not in left_out}
    return inherited | {"COLUMNS": "200"} | changes


def new_environment(folder: Path, *requirements: str, python: str = sys.executable) -> Path:
    """Make a virtual environment without pip, install into it, return its folder of programs."""
    if python == sys.executable:
        venv.create(folder, with_pip=False)
    else:
        subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True)
    programs = folder / "bin"
    pip_install(programs, *requirements)
    return programs


def pip_install(programs: Path, *requirements: str) -> None:
    """Install into the environment with those programs, by the pip of who runs the tests."""
    if requirements:
        pip = [sys.executable, "-m", "pip", "--python", str(programs / "python")]
        subprocess.run([*pip, "install", "--quiet", "--no-compile", *requirements], check=True)


def run(program: Path, *arguments: str | Path, cwd: Path, **changes: str) -> str:
    """What it prints; the environment of whoever runs the tests must not help."""
    done = subprocess.run(
        [str(program), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=own_environment(**changes),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def plugin_wheel(
    folder: Path, name: str, source: str, version: str = "1.0", **requires: str
) -> Path:
    """A wheel of a plugin that is one module and requires packages, such as `numpy="<1"`."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    required = "".join(f"Requires-Dist: {other}{limit}\n" for other, limit in requires.items())
    files = {
        f"{module}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[clsctl]\n{name} = {module}\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(path, content)
    return wheel


def command_plugin(name: str, says: str) -> str:
    """The source of a plugin that adds a command, which prints something."""
    return f"""
from clsctl.plugin import Command, hookimpl

@hookimpl
def clsctl_commands():
    return [Command("{name}", "For the tests.", lambda: print("{says}"))]
"""


def hello_wheel(folder: Path) -> Path:
    """A wheel of clsctl-hello, whose command prints `hello`."""
    return plugin_wheel(folder, "clsctl-hello", command_plugin("hello", "hello"))


def fatal_wheel(folder: Path) -> Path:
    """A wheel of clsctl-fatal, with which clsctl does not start."""
    return plugin_wheel(folder, "clsctl-fatal", "import os; os._exit(9)")
