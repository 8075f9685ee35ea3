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
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
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
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    tasks.add_parser("bump").add_argument("version", help="such as 0.2.0")
    tasks.add_parser("check")
    tasks.add_parser("rehearse")
    options = parser.parse_args()
    if options.task == "bump":
        bump(options.version)
        return
    require_releasable()
    if options.task == "rehearse":
        rehearse()


# ---- the version -------------------------------------------------------------------------------


def bump(version: str) -> None:
    """Write a version wherever there is one, and give the unreleased changes to it."""
    if not re.fullmatch(NUMBER, version):
        sys.exit(f"'{version}' is no version: write three numbers, as in 0.2.0")
    current = current_version()
    if numbers(version) <= numbers(current):
        sys.exit(f"{version} is not later than {current}, the version now")
    text = (ROOT / CHANGELOG).read_text(encoding="utf-8")
    if not unreleased(text):
        sys.exit(f"{CHANGELOG} has no changes under [Unreleased]: there is nothing to release")
    heading = f"{UNRELEASED}\n## [{version}] - {datetime.date.today()}\n"
    (ROOT / CHANGELOG).write_text(text.replace(UNRELEASED, heading, 1), encoding="utf-8")
    for path in versioned():
        path.write_text(with_version(path.read_text(encoding="utf-8"), version), encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {version}")
    print(f"{CHANGELOG}: what was unreleased is {version}; read it as a user would, then commit")


def current_version() -> str:
    (version,) = re.findall(PLACES[0], (ROOT / VALUES).read_text(encoding="utf-8"), re.M)
    return str(version)


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def versioned() -> list[Path]:
    """Return the files that name the version."""
    projects = sorted(ROOT.glob("plugins/*/pyproject.toml"))
    return [ROOT / VALUES, ROOT / "pyproject.toml", *projects]


def with_version(text: str, version: str) -> str:
    for place in PLACES:
        text = re.sub(place, lambda found: found[0].replace(found[1], version), text, flags=re.M)
    return text


# ---- the checks --------------------------------------------------------------------------------


def require_releasable() -> None:
    version = current_version()
    if problems := list(find_problems(version)):
        sys.exit("\n  ".join([f"{version} cannot be released:", *problems]))
    print(f"{version} can be released")


def find_problems(version: str) -> Iterator[str]:
    """Yield a sentence for each thing that keeps the release back."""
    for path in versioned():
        text = path.read_text(encoding="utf-8")
        found = {number for place in PLACES for number in re.findall(place, text, re.M)}
        for other in sorted(found - {version}):
            yield f"{path.relative_to(ROOT)} says {other}, and {VALUES} {version}"
    yield from check_changelog((ROOT / CHANGELOG).read_text(encoding="utf-8"), version)
    if git("status", "--porcelain"):
        yield "the working tree has changes that are not committed"
    tag = f"v{version}"
    if git("tag", "--list", tag) and git("rev-list", "-n", "1", tag) != git("rev-parse", "HEAD"):
        yield f"the tag {tag} is on another commit: choose the next version"


def check_changelog(text: str, version: str) -> Iterator[str]:
    if UNRELEASED not in text:
        yield f"{CHANGELOG} has no heading [Unreleased]"
    elif unreleased(text):
        yield f"{CHANGELOG} has changes under [Unreleased]: `bump` gives them to a version"
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n+###", text, re.M):
        yield f"{CHANGELOG} has no section for {version} with its date and changes"


def unreleased(text: str) -> str:
    """Return the changes that no release has yet."""
    _, _, after = text.partition(UNRELEASED)
    return re.split(r"^## ", after, maxsplit=1, flags=re.M)[0].strip()


def git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"`git {' '.join(words)}` failed: {done.stderr.strip()}")
    return done.stdout.strip()


# ---- the rehearsal -----------------------------------------------------------------------------


def rehearse() -> None:
    """Build and test what is committed, as somebody who has just cloned it."""
    clone = Path(tempfile.mkdtemp(prefix="clsctl-rehearsal-"))
    git("clone", "--quiet", str(ROOT), str(clone))
    for step in STEPS:
        print(f"$ {step}", flush=True)
        start = time.monotonic()
        done = subprocess.run(step.split(), cwd=clone, check=False)
        minutes = (time.monotonic() - start) / 60
        if done.returncode:
            sys.exit(f"`{step}` failed after {minutes:.0f} min; its clone is {clone}")
        print(f"`{step}` passed in {minutes:.0f} min", flush=True)
    shutil.rmtree(clone)
    print(f"{current_version()} is rehearsed, as of commit {git('rev-parse', '--short', 'HEAD')}")


if __name__ == "__main__":
    main()
