from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from made_plugins import install
from servers import resumable, serving, stalled
from stores import (
    NAME,
    TAR,
    model_files,
    read_files,
    tar_of,
)

FILES = model_files()
ARCHIVE = tar_of(FILES)
HALF = len(ARCHIVE) // 2
PULL = [sys.executable, "-m", "clsctl", "models", "pull", NAME, "--mirror"]


@contextmanager
def started(*arguments: str, **options) -> Iterator[subprocess.Popen[str]]:
    """clsctl at work, while the test does something else."""
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_half(home: Path, process: subprocess.Popen[str]) -> None:
    """Return once half of the archive is on the disk; clsctl gives up if it never is."""
    while process.poll() is None:
        sizes = [path.stat().st_size for path in home.glob("partial/*/*/download")]
        if sizes == [HALF]:
            return
    pytest.fail(process.stderr.read())


def test_pull_says_where_the_model_is(clsctl, folder, mirror):
    done = clsctl("models", "pull", NAME, "--mirror", mirror)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{NAME} inference pulled to {folder}\n"
    assert read_files(folder) == FILES
    done = clsctl("models", "pull", NAME)
    assert done.stdout == f"{NAME} inference already in {folder}\n"
    assert clsctl("models", "path", NAME).stdout == f"{folder}\n"


def test_requests_are_logged_by_nobody(clsctl, home, tmp_path):
    """A plugin that turns logs on, as libraries do when they are imported."""
    code = "import logging\nlogging.basicConfig(level=logging.INFO)\n"
    env = install(tmp_path / "site", "chatty", code)
    with serving({TAR: resumable(ARCHIVE)}) as site:
        mirror = site.url.replace("//", "//user:5ec2e7@")
        done = clsctl("models", "pull", NAME, "--mirror", mirror, env=env)
        assert site.requests
    assert "HTTP Request" not in done.stderr
    assert "5ec2e7" not in done.stderr + done.stdout


def test_pull_all_weights(clsctl, folder, mirror):
    done = clsctl("models", "pull", NAME, "--kind", "all", env={"CLSCTL_MIRRORS": str(mirror)})
    assert done.stdout.splitlines() == [
        f"{NAME} inference pulled to {folder}",
        f"{NAME} training pulled to {folder.with_name('training')}",
    ]


def test_mirrors_come_from_the_option_then_the_environment_then_the_config_file(
    clsctl, home, mirror
):
    with serving({}) as first, serving({}) as second:
        (home / "config.toml").write_text(f"mirrors = ['{second.url}', '{mirror}']")
        done = clsctl("models", "pull", NAME, "--mirror", first.url)
        assert done.returncode == 0
        assert first.requests == second.requests == [(TAR, "")]
        env = {"CLSCTL_MIRRORS": f"{second.url},{mirror}"}
        clsctl("models", "pull", NAME, "--force", "--mirror", first.url, env=env)
        assert first.requests == second.requests == [(TAR, "")] * 2


def test_a_wrong_name_stops_before_anything_is_pulled(clsctl, folder, mirror):
    done = clsctl("models", "pull", NAME, "PP-LCNet_x1_O", "--mirror", mirror)
    assert done.returncode == 4
    assert done.stderr.startswith("error: unknown model 'PP-LCNet_x1_O'. Did you mean PP-LCNet_x")
    assert not folder.exists()


def test_no_network_is_one_clear_line(clsctl):
    done = clsctl("models", "pull", NAME)
    assert (done.returncode, done.stdout) == (5, "")
    error, hint = done.stderr.splitlines()
    assert error.startswith(f"error: cannot pull {NAME}: https://")
    assert error.endswith("Connection refused [E_NETWORK]")
    assert hint.startswith("hint: check the connection (or HTTPS_PROXY), or name another server")


def test_offline_opens_no_socket(home):
    guarded = (
        "import sys; from clsctl.main import run\n"
        "def guard(event, arguments):\n"
        "    if event.startswith('socket.'): print('socket!', file=sys.stderr)\n"
        "sys.addaudithook(guard)\n"
        "sys.exit(run(sys.argv[1:]))"
    )
    arguments = [sys.executable, "-c", guarded, "models", "pull", NAME]
    arguments += ["--mirror", "http://127.0.0.1:9"]
    online = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert "socket!" in online.stderr
    for extra, variables in (["--offline"], {}), ([], {"CLSCTL_OFFLINE": "1"}):
        done = subprocess.run(
            arguments + extra,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 5
        assert "[E_OFFLINE]" in done.stderr
        assert f"clsctl models import FILE --name {NAME}" in done.stderr
        assert "socket!" not in done.stderr


def test_a_home_that_cannot_be_written_is_one_clear_line(clsctl, mirror):
    place = "/sys/clsctl"
    done = clsctl("models", "pull", NAME, "--mirror", mirror, env={"CLSCTL_HOME": place})
    assert done.returncode == 4
    error, hint = done.stderr.splitlines()
    assert error.startswith(f"error: cannot use {place}")
    assert error.endswith("[E_STORE_READONLY]")
    assert hint == "hint: set CLSCTL_HOME to a folder that you can write to"


def test_a_disk_that_is_too_small_is_one_clear_line(clsctl, home, folder):
    petabyte = str(1 << 50)
    with serving({TAR: lambda visit: visit.begin(200, Content_Length=petabyte)}) as site:
        env = {"CLSCTL_MAX_DOWNLOAD": str(1 << 60)}
        done = clsctl("models", "pull", NAME, "--mirror", site.url, env=env)
        assert done.returncode == 4
        error, hint = done.stderr.splitlines()
        assert error.startswith(f"error: the disk that holds {home} is full: 2,251,799,813,685,248")
        assert error.endswith("are free [E_DISK_FULL]")
        assert hint.startswith("hint: free some space (`clsctl models remove NAME`)")
        done = clsctl("models", "pull", NAME, "--mirror", site.url)
        assert "E_TOO_LARGE" not in done.stderr.splitlines()[-1]
        assert "more than the limit of 8,589,934,592 bytes" in done.stderr
    assert not folder.exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_a_pull_that_is_stopped_in_the_middle_is_continued(clsctl, home, folder, how):
    go_on = threading.Event()
    with serving({TAR: stalled(ARCHIVE, HALF, go_on)}) as site:
        with started(*PULL, site.url, env={**os.environ, "CLSCTL_TIMEOUT": "60"}) as process:
            wait_for_half(home, process)
            process.send_signal(how)
            out, err = process.communicate()
        go_on.set()
        if how == signal.SIGINT:
            assert (process.returncode, out) == (130, "")
            assert err == (
                f"error: interrupted while pulling {NAME} [E_INTERRUPTED]\n"
                "hint: the same command resumes where this one stopped\n"
            )
        assert not folder.exists()
        assert clsctl("models", "path", NAME).returncode == 4
        site.answers = {TAR: resumable(ARCHIVE)}
        done = clsctl("models", "pull", NAME, "--mirror", site.url)
        assert done.returncode == 0
        assert site.requests == [(TAR, ""), (TAR, f"bytes={HALF}-")]
    assert read_files(folder) == FILES


def test_two_pulls_at_once_do_the_work_once(folder):
    go_on = threading.Event()
    with serving({TAR: stalled(ARCHIVE, HALF, go_on)}) as site:
        env = {**os.environ, "CLSCTL_TIMEOUT": "60"}
        with started(*PULL, site.url, env=env) as first:
            wait_for_half(folder.parents[2], first)
            with started(*PULL, site.url, env=env) as second:
                waiting = second.stderr.readline()
                assert waiting == (
                    f"note: waiting for another clsctl that is busy with {NAME}-inference\n"
                )
                go_on.set()
                out = [first.communicate()[0], second.communicate()[0]]
        assert out == [f"{NAME} inference pulled to {folder}\n"] * 2
    assert site.requests == [(TAR, "")]
    assert read_files(folder) == FILES


def test_progress_is_shown_on_a_terminal_only(home):
    master, slave = pty.openpty()
    with serving({TAR: resumable(ARCHIVE)}) as site:
        done = subprocess.run([*PULL, site.url], stdout=subprocess.PIPE, stderr=slave, check=True)
        os.close(slave)
        shown = os.read(master, 1 << 16).decode()
        os.close(master)
    assert f"{NAME} inference" in shown
    assert "\x1b" not in done.stdout.decode()


def test_a_changed_file_on_the_server_is_refused(clsctl, mirror):
    clsctl("models", "pull", NAME, "--mirror", mirror)
    (mirror / TAR[1:]).write_bytes(tar_of(model_files(seed=1)))
    done = clsctl("models", "pull", NAME, "--mirror", mirror, "--force")
    assert done.returncode == 5  # the catalog's own server was not reachable either
    assert f"inference.pdiparams differs from the {NAME} that was pulled before" in done.stderr
