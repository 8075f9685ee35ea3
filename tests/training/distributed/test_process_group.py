"""Several processes train what one would; whatever dies, they end in the same weights."""

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import plain_network
import plain_plugin
import pytest
from fixtures import Run
from hypothesis import given
from hypothesis import strategies as st
from tiny_training import MODEL, state, write_dataset

import clsctl
from clsctl.errors import UsageError
from clsctl.loading.sampling import split_batch
from clsctl.networks.pdparams import read_pdparams
from clsctl.training.distributed.ranks import Rank, current_rank

IMAGES = 23
"""Of them, the last batch of an epoch gets 5: 2 for one process, 3 for the other."""

TRAIN = (
    *("train", "-m", plain_plugin.NAME, "--scratch", "--epochs", "2", "-d", "data"),
    *("--set", "schedule.warmup_epochs=0", "--set", "optimizer.accumulate=2"),
    *("--set", "checkpoint.minutes=1e-9", "--set", "mix.mixup=0"),
)
TOGETHER = (*TRAIN, "-b", "3", "--processes", "2")
WEIGHTS = "latest/latest.pdparams"


class Folder:
    """Where runs are, with the plugin; starts processes that train there."""

    def __init__(self, root: Path) -> None:
        self.root, self.plugin = root, plain_plugin.install(root / "site")
        write_dataset(root / "data")
        listed = root / "data" / "train.txt"
        listed.write_text("\n".join(listed.read_text().splitlines()[:IMAGES]) + "\n")

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "clsctl", *arguments],
            cwd=self.root,
            # Of one thread, since their number changes the last bits.
            env={**os.environ, "CLSCTL_THREADS": "1", **self.plugin, **env},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, status: int = 0, **env: str) -> str:
        return self.finish(self.start(*arguments, **env), status)

    def finish(self, process: subprocess.Popen[str], status: int = 0) -> str:
        """What it says on standard error."""
        said = process.communicate(timeout=300)[1]
        assert process.returncode == status, said
        return said

    def state(self, run: str) -> dict[str, bytes]:
        """The bytes of all checkpoints and exports, by path.

        Save for the graph, where Paddle writes how often the process has exported one.
        """
        files = state(self.root / run)
        apart = ("logs/", "best_model/inference/inference.json")
        return {name: files[name] for name in files if not name.startswith(apart)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """With the run `whole`: two processes that were left alone."""
    made = Folder(tmp_path_factory.mktemp("distributed"))
    listening = {plain_network.LISTENING: str(made.root / "listening")}
    made.run(*TOGETHER, "-o", "whole", CLSCTL_HOME=str(made.root / "home"), **listening)
    return made


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


# ---- what they learn ---------------------------------------------------------------------------


def test_two_processes_learn_what_one_learns_with_the_same_global_batch(folder: Folder):
    folder.run(*TRAIN, "-b", "6", "-o", "alone")
    alone, whole = (read_pdparams(folder.root / run / WEIGHTS) for run in ("alone", "whole"))
    for name, values in alone.items():
        assert abs(values - whole[name]).max() <= 1e-6 * max(abs(values).max(), 1)
    tables = [(folder.root / run / "results.csv").read_text() for run in ("alone", "whole")]
    for one, two in zip(*(csv.DictReader(table.splitlines()) for table in tables), strict=True):
        for loss in ("train_loss", "val_loss", "calibrated_loss"):
            assert float(one[loss]) == pytest.approx(float(two[loss]), rel=1e-6)
        for share in ("top1", "top5", "best", "best_epoch"):
            assert one[share] == two[share]


def test_nothing_can_be_reached_from_other_machines(folder: Folder):
    sockets = (folder.root / "listening").read_text().splitlines()
    assert [socket for socket in sockets if not socket.startswith(("127.", "::ffff:127."))] == [
        "0.0.0.0 lo"
    ]


def test_nothing_can_be_reached_while_the_others_are_awaited(folder: Folder):
    launched = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    process = folder.start(*TRAIN, "-o", "awaiting", RANK="0", **launched)
    deadline = time.monotonic() + 60
    while "0.0.0.0 lo" not in plain_network.listening(process.pid):
        assert process.poll() is None
        assert time.monotonic() < deadline
    assert "0.0.0.0" not in plain_network.listening(process.pid)
    process.kill()
    process.communicate()


def test_a_port_that_a_connection_holds_is_waited_for(folder: Folder):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        launched = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
        ranks = [
            folder.start(*TRAIN, "-b", "3", "-o", "held", RANK=str(rank), **launched)
            for rank in range(2)
        ]
        assert ranks[0].stderr is not None
        for line in ranks[0].stderr:
            if f"waiting for port {port}, which a connection still holds" in line:
                break
    for rank in ranks:
        folder.finish(rank)
    assert folder.state("held") == folder.state("whole")


def test_a_port_that_another_program_listens_on_ends_the_run(folder: Folder):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        machines = ("--nnodes", "2", "--node-rank", "0", "--master", f"127.0.0.1:{port}")
        said = folder.run(*TOGETHER, "-o", "taken", *machines, status=2)
    assert f"error: rank 0 cannot listen on port {port}: address already in use [E_ADDRESS]" in said


@given(
    count=st.integers(0, 400),
    batch_size=st.integers(1, 9),
    parts=st.integers(1, 9),
    least=st.integers(1, 2),
)
def test_every_image_of_an_epoch_is_in_one_part_of_one_batch(count, batch_size, parts, least):
    least = min(least, batch_size)
    size = batch_size * parts
    batches = [range(first, min(first + size, count)) for first in range(0, count, size)]
    found = []
    for places in batches:
        split = [split_batch(places, part, parts, least) for part in range(parts)]
        assert all(len(part) <= batch_size or len(places) < size for part in split)
        if len(places) >= least:
            assert all(len(part) == 0 or len(part) >= least for part in split)
        found += [place for part in split for place in part]
    assert found == list(range(count))


# ---- who dies ----------------------------------------------------------------------------------


def test_two_machines_start_again_when_a_process_dies(folder: Folder):
    master = f"127.0.0.1:{free_port()}"
    machines = [
        folder.start(
            *(*TOGETHER, "-o", "machines", "--nnodes", "2", "--node-rank", str(number)),
            *("--master", master, "--max-restarts", "1"),
            **{plain_network.KILLED_AT: f"1 3 {folder.root / 'killed'}"},
        )
        for number in range(2)
    ]
    said = [folder.finish(machine) for machine in machines]
    assert "rank 0 ended with exit status 8; starting again (1 of 1)" in said[0]
    assert "rank 1 was killed by SIGKILL; starting again (1 of 1)" in said[1]
    assert folder.state("machines") == folder.state("whole")


def test_a_dead_process_ends_the_run_which_another_launcher_continues(folder: Folder):
    killed = {plain_network.KILLED_AT: f"1 5 {folder.root / 'killed_too'}"}
    said = folder.run(*TOGETHER, "-o", "broken", status=8, **killed)
    assert "note: the end of broken/logs/rank_1.log:\n" in said, said
    assert "error: rank 1 was killed by SIGKILL [E_PROCESS_LOST]\n" in said, said
    assert "resume with `clsctl train --resume broken`" in said
    launched = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    ranks = [
        folder.start(
            "train", "--resume", "broken", RANK=str(rank), LOCAL_RANK=str(rank), **launched
        )
        for rank in range(2)
    ]
    rank_zero, rank_one = ranks
    assert "learning rate 0.00469" in folder.finish(rank_zero)
    assert folder.finish(rank_one) == ""  # Both have the terminal: it is said once.
    assert folder.state("broken") == folder.state("whole")


def test_ctrl_c_saves_and_another_number_of_processes_goes_on(folder: Folder):
    process = folder.start(*TOGETHER, "--epochs", "5000", "-o", "stopped")
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 1/5000  loss" in line:
            break
    process.send_signal(signal.SIGINT)
    said = folder.finish(process, status=130)
    assert said.count("[E_INTERRUPTED]") == 1
    assert "resume with `clsctl train --resume stopped`" in said
    epochs = len((folder.root / "stopped" / "results.csv").read_text().splitlines())
    said = folder.run("train", "--resume", "stopped", "--processes", "1", "--epochs", str(epochs))
    assert "processes is now 1, not 2: not the run that it would have been" in said
    assert "learning rate 0.00234: 0.1 for 256 images a step, scaled (linear) to 6" in said


# ---- what cannot be ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--processes", "3", "--nnodes", "2", "--master", "localhost:9"), "E_PROCESSES"),
        (("--processes", "3", "--device", "gpu:0,1"), "E_PROCESSES"),
        (("--nnodes", "2"), "E_NODES"),
        (("--nnodes", "2", "--node-rank", "2", "--master", "localhost:9"), "E_NODES"),
        (("--nnodes", "2", "--master", "localhost:65536"), "E_NODES"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_starts(
    call: Run, options: tuple[str, ...], code: str
):
    done = call("train", "-m", MODEL, "-d", "data", *options)
    assert done.returncode == 2
    assert f"[{code}]" in done.stderr
    assert "is process" not in done.stderr


def test_python_starts_no_processes_but_says_who_does():
    with pytest.raises(UsageError) as caught:
        clsctl.train(MODEL, "data", processes=2)
    assert caught.value.code == "E_PROCESSES"
    assert "`clsctl train` starts them" in caught.value.hint


@pytest.mark.parametrize(
    ("variables", "rank"),
    [
        ({}, Rank()),
        ({"RANK": "0", "WORLD_SIZE": "1"}, Rank()),
        # torchrun listens there itself.
        (
            {"RANK": "1", "WORLD_SIZE": "2", "TORCHELASTIC_USE_AGENT_STORE": "True"}
            | {"MASTER_ADDR": "head", "MASTER_PORT": "29500"},
            Rank(1, 2, 0, 1, "head:29501"),
        ),
        (
            {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
            | {"MASTER_ADDR": "head", "MASTER_PORT": "29500"},
            Rank(3, 4, 1, 2, "head:29500"),
        ),
        (
            {"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8", "SLURM_LOCALID": "1"}
            | {"SLURM_STEP_NODELIST": "gpu[03-05,9],cpu1", "SLURM_JOB_ID": "123456"},
            Rank(5, 8, 1, 1, "gpu03:23456"),
        ),
        # A batch script is no task, though Slurm sets some of the variables there too.
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, Rank()),
        (
            {"PADDLE_TRAINER_ID": "1", "PADDLE_TRAINERS_NUM": "2", "PADDLE_LOCAL_RANK": "1"}
            | {"PADDLE_LOCAL_SIZE": "2", "PADDLE_TRAINER_ENDPOINTS": "one:7,two:8"},
            Rank(1, 2, 1, 2, "one:7"),
        ),
        (
            {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}
            | {"MASTER_ADDR": "head", "MASTER_PORT": "1"},
            Rank(1, 2, 0, 1, "head:1"),
        ),
    ],
)
def test_a_launchers_variables_say_which_process_this_is(variables: dict[str, str], rank: Rank):
    assert current_rank(variables) == rank


@pytest.mark.parametrize(
    "variables",
    [
        {"RANK": "2", "WORLD_SIZE": "2"},
        {"RANK": "0", "WORLD_SIZE": "2"},
        {"RANK": "one", "WORLD_SIZE": "2"},
        {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "head", "MASTER_PORT": "any"},
        {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "head", "MASTER_PORT": "65536"},
    ],
)
def test_variables_that_say_too_little(variables: Mapping[str, str]):
    with pytest.raises(UsageError) as caught:
        current_rank(variables)
    assert caught.value.code == "E_LAUNCHER"
