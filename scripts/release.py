"""Set the version of a release, and check that it can be made: see RELEASING.md.

    python scripts/release.py bump 0.2.0     # versions and CHANGELOG.md
    python scripts/release.py check          # versions, CHANGELOG.md, tag and working tree agree
    python scripts/release.py rehearse       # check, then build and test a clean clone

Nothing is committed, tagged or uploaded.
"""

from __future__ import annotations

import argparse
import datetime
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
VALUES = Path("src/clsctl/values.py")
CHANGELOG = Path("CHANGELOG.md")
UNRELEASED = "## [Unreleased]\n"
NUMBER = r"\d+\.\d+\.\d+"

PLACES = (
    rf'^__version__ = "({NUMBER})"',  # src/clsctl/values.py
    rf'^version = "({NUMBER})"',  # plugins/*/pyproject.toml
    rf'"clsctl(?:-[a-z-]+)?==({NUMBER})"',  # what requires ours
)
STEPS = ("make dist", "make test", "make test-install")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the source tree")
    tasks = parser.add_subparsers(dest="task", required=True)
    tasks.add_parser("bump").add_argument("version", help="such as 0.2.0")
    tasks.add_parser("check")
    tasks.add_parser("rehearse")
    options = parser.parse_args()
    if options.task == "bump":
        bump(options.root, options.version)
        return
    problems = list(check(options.root))
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(1)
    if options.task == "rehearse":
        rehearse(options.root)
    print(f"{version_of(options.root)} can be released")


def bump(root: Path, version: str) -> None:
    """Write a version wherever there is one, and give the unreleased changes to it."""
    if not re.fullmatch(NUMBER, version):
        sys.exit(f"'{version}' is no version: write three numbers, as in 0.2.0")
    for path in versioned(root):
        text = path.read_text(encoding="utf-8")
        for place in PLACES:
            text = re.sub(
                place, lambda found: found[0].replace(found[1], version), text, flags=re.M
            )
        path.write_text(text, encoding="utf-8")
    path = root / CHANGELOG
    heading = f"{UNRELEASED}\n## [{version}] - {datetime.date.today()}\n"
    changes = path.read_text(encoding="utf-8").replace(UNRELEASED, heading, 1)
    path.write_text(changes, encoding="utf-8")


def versioned(root: Path) -> list[Path]:
    projects = [root / "pyproject.toml", *sorted(root.glob("plugins/*/pyproject.toml"))]
    return [root / VALUES, *projects]


def version_of(root: Path) -> str:
    (version,) = re.findall(PLACES[0], (root / VALUES).read_text(encoding="utf-8"), re.M)
    return str(version)


def check(root: Path) -> Iterator[str]:
    """Yield a sentence for each thing that keeps the release back."""
    version = version_of(root)
    for path in versioned(root):
        text = path.read_text(encoding="utf-8")
        found = {number for place in PLACES for number in re.findall(place, text, re.M)}
        for other in sorted(found - {version}):
            yield f"{path.relative_to(root)} says {other}, and {VALUES} {version}"
    yield from check_changelog((root / CHANGELOG).read_text(encoding="utf-8"), version)
    if git(root, "status", "--porcelain"):
        yield "the working tree has changes that are not committed"
    tagged = git(root, "rev-list", "-n", "1", f"refs/tags/v{version}", "--")
    if tagged and tagged != git(root, "rev-parse", "HEAD"):
        yield f"the tag v{version} is on another commit: choose the next version"


def check_changelog(text: str, version: str) -> Iterator[str]:
    unreleased = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## )", text, re.M | re.S)
    if unreleased is None:
        yield f"{CHANGELOG} has no heading [Unreleased] before those of releases"
    elif unreleased[1].strip():
        yield f"{CHANGELOG} has changes under [Unreleased]: `bump` gives them to a version"
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n+###", text, re.M):
        yield f"{CHANGELOG} has no section for {version} with its date and changes"


def git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def rehearse(root: Path) -> None:
    """Build and test what is committed, as somebody who has just cloned it."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clsctl"
        subprocess.run(["git", "clone", "--quiet", str(root), str(clone)], check=True)
        for step in STEPS:
            print(f"$ {step}", flush=True)
            subprocess.run(step.split(), cwd=clone, check=True)


if __name__ == "__main__":
    main()
