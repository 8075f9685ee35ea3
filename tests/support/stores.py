"""What the tests of the store share: models small enough to serve, and a closed network."""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import random
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from clsctl.values import Artifact, ModelEntry, Preprocessing

NAME = "PP-LCNet_x1_0"
TAR = f"/{NAME}_infer.tar"
PDPARAMS = f"/{NAME}_pretrained.pdparams"
SETTINGS = f"""\
Global: {{model_name: {NAME}}}
PreProcess:
  transform_ops:
  - ResizeImage: {{resize_short: 256}}
PostProcess:
  Topk: {{topk: 5, label_list: [cat, dog]}}
"""


def close_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but the loopback interface meets a closed door; a server may stall for 1 s."""
    for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("CLSCTL_TIMEOUT", "1")


def model_files(seed: int = 0, size: int = 200_000) -> dict[str, bytes]:
    """A model directory whose graph has one parameter, of `size` bytes, and does nothing."""
    count = size // 4
    return {
        "inference.json": pir_graph((count,)),
        "inference.pdiparams": pdiparams((count,), content=random.Random(seed).randbytes(size)),
        "inference.yml": SETTINGS.encode(),
    }


def pir_graph(*shapes: tuple[int, ...]) -> bytes:
    """An `inference.json` with parameters of these shapes, as Paddle 3 writes them."""
    operations = [
        {"#": "p", "O": {"%": number, "TT": {"#": "0.t_dtensor", "D": [{"#": "0.t_f32"}, shape]}}}
        for number, shape in enumerate(map(list, shapes), start=1)
    ]
    regions = [{"#": "region_0", "blocks": [{"#": "block_0", "args": [], "ops": operations}]}]
    return json.dumps({"base_code": {"magic": "pir"}, "program": {"regions": regions}}).encode()


def pdiparams(*shapes: tuple[int, ...], content: bytes | None = None) -> bytes:
    """An `inference.pdiparams` of float32 tensors, all with the same content, or with zeros."""
    return b"".join(
        described_tensor(b"\x08\x05" + b"".join(b"\x10" + varint(side) for side in shape))
        + (bytes(4 * math.prod(shape)) if content is None else content)
        for shape in shapes
    )


def described_tensor(description: bytes) -> bytes:
    """What precedes the values of a tensor."""
    return bytes(16) + struct.pack("<i", len(description)) + description


def varint(value: int) -> bytes:
    """A number as protocol buffers write it."""
    low = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(byte | 0x80 for byte in low[:-1]), low[-1]])


def pdparams(seed: int = 0) -> bytes:
    """A pickle of the kind that holds weights."""
    return pickle.dumps({"weights": random.Random(seed).randbytes(50_000)}, protocol=4)


def tar_of(files: Mapping[str, bytes], top: str = f"{NAME}_infer/") -> bytes:
    members = [(tarfile.TarInfo(top + name), content) for name, content in files.items()]
    return tar_with(*members)


def tar_with(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def read_files(folder: Path) -> dict[str, bytes]:
    """The files of a model, without the record that the store adds."""
    names = [path for path in folder.iterdir() if path.name != "clsctl.json"]
    return {path.name: path.read_bytes() for path in names}


def entry(
    inference: str = "", training: str = "", sha256: str = "", name: str = NAME
) -> ModelEntry:
    preprocessing = Preprocessing(resize_short=256, crop=224)
    return ModelEntry(
        name=name,
        family="test",
        summary="A model of the tests.",
        catalog="tests",
        preprocessing=preprocessing,
        exported=preprocessing,
        inference=Artifact(inference, sha256) if inference else None,
        training=Artifact(training, sha256) if training else None,
    )
