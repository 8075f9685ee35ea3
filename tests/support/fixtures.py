"""Every test has a home of its own and runs the real command line in a process of its own."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

# NumPy's threads wait for each other by turning round: where several tests run at a time, the
# eigenvectors of a matrix of 256 rows take half a second with them, and a hundredth without.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import forking
import hypothesis
import models
import pytest

from clsctl import main
from clsctl.system import cpu

Run = Callable[..., subprocess.CompletedProcess[str]]

NO_CURVES = "train_callbacks.curves"
"""The plugin that takes two of a small training's eight seconds to draw what nobody looks at."""

TRAINING = {"CLSCTL_THREADS": "1", "CLSCTL_DISABLED_PLUGINS": NO_CURVES}
"""For commands that train: several that run at a time would wait for each other's threads."""

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("clsctl", deadline=None)
hypothesis.settings.load_profile("clsctl")


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh CLSCTL_HOME, and no setting from the environment of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("CLSCTL_")]:
        monkeypatch.delenv(name)
    forking.forget_loading(monkeypatch)
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("CLSCTL_HOME", str(folder))
    monkeypatch.setenv("COLUMNS", "80")
    # Matplotlib lists the fonts once a folder, which takes a second.
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path_factory.getbasetemp() / "matplotlib"))
    # What `auto` chooses is measured, which takes seconds and may differ from one day to the next.
    monkeypatch.setenv("CLSCTL_BACKEND", models.BACKEND)
    return folder


@pytest.fixture
def one_thread(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that train: see `TRAINING`."""
    for name, value in TRAINING.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def processor_with(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str | None], None]]:
    """Lets clsctl, in the process of the tests, read of another processor in /proc/cpuinfo.

    None is for a system that has no such file.
    """
    cpuinfo = tmp_path_factory.mktemp("processor") / "cpuinfo"

    def replace(flags: str | None) -> None:
        if flags is not None:
            cpuinfo.write_text(f"processor\t: 0\n{flags}\n")
        monkeypatch.setattr(cpu, "CPUINFO", cpuinfo)
        cpu._flags.cache_clear()

    yield replace
    cpu._flags.cache_clear()


@pytest.fixture
def clsctl(home: Path, tmp_path: Path) -> Run:
    """Run `clsctl ARGUMENTS` in `tmp_path`; `env` adds variables."""

    def run(
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        cwd: Path = tmp_path,
    ) -> subprocess.CompletedProcess[str]:
        texts, whole = list(map(str, arguments)), {**os.environ, **(env or {})}
        if forking.serves(whole):
            done = forking.run(texts, whole, stdin or b"", cwd)
        else:
            done = subprocess.run(
                [sys.executable, "-m", "clsctl", *texts],
                input=stdin or b"",
                capture_output=True,
                cwd=cwd,
                env=whole,
                timeout=300,
                check=False,
            )
        out, err = done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    return run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model directory, as `clsctl export` writes it; not to be changed."""
    return models.once(tmp_path_factory, "tiny", models.export_tiny)


@pytest.fixture(scope="session")
def tiny_cache(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that holds the ONNX form of the small model."""
    return models.once(tmp_path_factory, "cache", functools.partial(models.prepare, tiny)) / "cache"


@pytest.fixture
def ready(tiny: Path, tiny_cache: Path, home: Path) -> Path:
    """The small model directory, which ONNX Runtime can run at once."""
    (home / "cache").symlink_to(tiny_cache)
    return tiny


@pytest.fixture
def call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """As `clsctl`, but in the process of the tests, which takes less time."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        texts = [str(argument) for argument in arguments]
        return subprocess.CompletedProcess(texts, main.run(texts), *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset of three classes with a wrong label in it; not to be changed."""
    import evaluating

    return evaluating.dataset(tmp_path_factory)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training run whose network knows `dataset` fairly; not to be changed."""
    import evaluating

    return evaluating.run(tmp_path_factory)


@pytest.fixture(scope="session")
def run_cache(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that holds what a backend makes of the run's model."""
    prepare = functools.partial(models.prepare, run / "best_model" / "inference")
    return models.once(tmp_path_factory, "run-cache", prepare) / "cache"


@pytest.fixture
def run_ready(run_cache: Path, home: Path) -> None:
    """The run's exported model is known here, and is not tried out first, which takes seconds."""
    (home / "cache").symlink_to(run_cache)
