"""Feed damaged and invented files to every reader of a format, and report what is no ClsctlError.

    python benchmarks/fuzz_files.py --seconds 60
    python benchmarks/fuzz_files.py inference.yml tar --seconds 600 --engine atheris --keep finds/

Each format begins with small valid files. Hypothesis mutates them and reports the smallest file
that fails; Atheris, where it is installed, follows which lines of clsctl a file reaches. A reader
that takes longer than `SLOW_S` for a file is reported too, and memory is limited. Files that were
found are in tests/corpus, which a test reads.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import multiprocessing
import os
import random
import sys
import tarfile
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MEMORY = 3 << 30
SLOW_S = 20.0
LONGEST = 1 << 16
"""Bytes of a file that is made."""

Read = Callable[[Path], object]


@dataclass(frozen=True)
class Format:
    """One kind of file and what reads it.

    Attributes:
        file: Its name in a folder of its own.
        seeds: Contents that are valid, or nearly.
        read: Gets the file's path; raises ClsctlError, or nothing.
        beside: What lies in the folder, too, by name.
    """

    file: str
    seeds: Sequence[bytes]
    read: Read
    beside: Mapping[str, bytes]


# ---- formats -----------------------------------------------------------------------------------


def formats() -> dict[str, Format]:
    """Every format by name; what is needed for it is imported and made now."""
    found = {}
    for kind in (*_models(), *_datasets(), *_settings(), *_images(), *_notes()):
        name, file, seeds, read, *beside = kind
        found[name] = Format(file, seeds, read, beside[0] if beside else {})
    return found


_YML = b"""Global: {model_name: Tiny}
PreProcess:
  transform_ops:
  - ResizeImage: {resize_short: 256, interpolation: bilinear, backend: pil}
  - CropImage: {size: 224}
  - NormalizeImage: {channel_num: 3, mean: [0.485, 0.456, 0.406], order: '', scale: 0.003921568,
      std: [0.229, 0.224, 0.225]}
  - ToCHWImage: null
PostProcess:
  Topk: {topk: 5, label_list: [red, green, blue]}
"""
_GRAPH = (
    b'{"base_code":{"magic":"pir","trainable":true,"version":1},"program":{"regions":[{"#":"region_0",'
    b'"blocks":[{"#":"block_0","args":[],"ops":[{"#":"p","A":[0,1,1,"w"],"DA":[],"O":{"%":1,"TT":'
    b'{"#":"0.t_dtensor","D":[{"#":"0.t_f32"},[2,3],"NCHW",[],0]}},"OA":[1,0,0],"QA":[]}]}]}]}}'
)
_PARAMS = (
    b"\0\0\0\0" + b"\0" * 8 + b"\0\0\0\0" + b"\x06\0\0\0" + b"\x08\x05\x10\x02\x10\x03" + bytes(24)
)
_WHOLE = {"inference.yml": _YML, "inference.json": _GRAPH, "inference.pdiparams": _PARAMS}
_RECORD = json.dumps(
    {
        "source": {"url": "https://host/a.tar", "date": "2026-01-01T00:00:00+00:00"},
        "files": {"inference.yml": {"size": 3, "sha256": "0" * 64}},
        "calibration": {"temperature": 1.5, "threshold": {"score": 0.5}},
        "metrics": {"top1": 0.5},
    }
).encode()


def _models() -> Iterator[tuple]:
    from clsctl.inference.temperature import read_calibration
    from clsctl.models import provenance
    from clsctl.models.archive import extract, model_folder
    from clsctl.models.bundle import import_path
    from clsctl.models.directory import read_model_dir
    from clsctl.models.integrity import require_complete
    from clsctl.models.onnx_metadata import external_data, read_metadata
    from clsctl.models.parameters import missing_parameters
    from clsctl.models.store import Store
    from clsctl.networks.pdparams import read_pdparams

    def model(path: Path) -> None:
        require_complete(read_model_dir(path.parent))

    def record(path: Path) -> None:
        provenance.compare(path.parent)
        for read in (read_calibration, provenance.recorded_files, provenance.read_facts):
            with _refused():
                read(path.parent)

    def parameters(path: Path) -> None:
        with contextlib.suppress(OSError, ValueError):
            missing_parameters(path.with_name("inference.json"), path)
        model(path)

    def onnx(path: Path) -> None:
        with contextlib.suppress(OSError, ValueError):
            external_data(path)
        with _refused():
            read_metadata(path)
        model(path)

    def unpack(path: Path) -> None:
        into = path.with_name("into")
        into.mkdir()
        extract(path, into, 1 << 20)
        model_folder(into)

    def bundle(path: Path) -> None:
        with tarfile.open(path.with_name("b.tar"), "w") as archive:
            archive.add(path, path.name)
            for name in _WHOLE:
                archive.add(path.with_name(name), f"A/inference/{name}")
        import_path(Store(path.parent / "store"), path.with_name("b.tar"))

    listed = {f"A/inference/{name}": _facts(content) for name, content in _WHOLE.items()}
    manifest = {"format": 1, "files": listed}
    program = bytes.fromhex("0a1c0800100012160a0177120f0807100a0a0708051203020300100118012801")
    yield "inference.yml", "inference.yml", [_YML, *_yaml()], model, _WHOLE
    yield "inference.json", "inference.json", [_GRAPH], model, _WHOLE
    legacy = {"inference.yml": _YML, "inference.pdiparams": _PARAMS}
    yield "pdmodel", "inference.pdmodel", [program, b""], model, legacy
    yield "pdiparams", "inference.pdiparams", [_PARAMS], parameters, _WHOLE
    yield "clsctl.json", "clsctl.json", [_RECORD, *_json()], record, _WHOLE
    yield "onnx", "inference.onnx", [_onnx()], onnx, {}
    yield (
        "openvino",
        "inference.xml",
        [_IR],
        model,
        {"inference.yml": _YML, "inference.bin": bytes(9)},
    )
    yield "tar", "a.tar", [_tar()], unpack
    text = json.dumps(manifest).encode()
    yield "bundle", "clsctl-bundle.json", [text, *_json()], bundle, _WHOLE
    yield "pdparams", "a.pdparams", _pickles(), read_pdparams


def _facts(content: bytes) -> dict[str, object]:
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


_IR = (
    b'<?xml version="1.0"?><net name="a" version="11"><layers><layer id="0" name="x" type="Const" '
    b'version="opset1"><data element_type="f32" offset="0" shape="2" size="8"/></layer></layers>'
    b"<edges/></net>"
)


def _datasets() -> Iterator[tuple]:
    from clsctl.datasets.check.check import check_dataset
    from clsctl.datasets.convert import export_dataset
    from clsctl.datasets.layouts.detect import read_dataset
    from clsctl.datasets.split.groups import find_groups

    def dataset(path: Path) -> None:
        read_dataset(path.parent)
        with _refused():
            check_dataset(path.parent)
        with _refused():
            export_dataset(path.parent, path.with_name("out"))

    def groups(path: Path) -> None:
        find_groups(["a.jpg"], path)

    lists = {"label.txt": b"0 cat\n1 dog\n", "train.txt": b"images/a.jpg 0\nb.jpg 1\n"}
    yield "list", "train.txt", [lists["train.txt"], b"a b.jpg\t12\r\n"], dataset, lists
    yield "labels", "label.txt", [lists["label.txt"], "0 猫\n".encode()], dataset, lists
    tables = [b"path,label,split\na.jpg,cat,train\nb.jpg,dog,val\n", b"image;class\na.jpg;cat\n"]
    yield "table", "data.csv", tables, dataset
    yield "parquet", "data.parquet", _parquet(), dataset
    yield (
        "groups",
        "groups.csv",
        [b"path,group\na.jpg,x\n"],
        lambda path: find_groups(["a.jpg"], path),
    )


def _settings() -> Iterator[tuple]:
    from clsctl.settings import load_settings
    from clsctl.training.config.sources import file_source, resolve_config

    def config(path: Path) -> None:
        os.environ["CLSCTL_HOME"] = str(path.parent)
        load_settings()

    def training(path: Path) -> None:
        resolve_config([file_source(path)])

    ours = b"model: PP-LCNet_x1_0\nepochs: 3\noptimizer: {name: AdamW}\ndata: {path: x}\n"
    paddlex = (
        b"Global: {model: PP-LCNet_x1_0, mode: train, dataset_dir: x}\nTrain: {epochs_iters: 2}\n"
    )
    toml = b'device = "cpu"\nmirrors = ["https://host/a"]\ntimeout = 30\nprivate_hosts = false\n'
    yield "config.toml", "config.toml", [toml], config
    yield "training YAML", "train.yaml", [ours, paddlex, *_yaml()], training
    yield "training TOML", "train.toml", [b"epochs = 3\n[optimizer]\nname = 'AdamW'\n"], training


def _images() -> Iterator[tuple]:
    from PIL import Image

    from clsctl.images.read import read_pixels
    from clsctl.images.sources import iter_sources

    def sources(path: Path) -> None:
        for source in iter_sources([f"@{path}"], quiet=True):
            _ = source.input_path

    picture = Image.linear_gradient("L").resize((20, 12)).convert("RGB")
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "PPM", "GIF", "TIFF", "JPEG2000", "AVIF"):
        with contextlib.suppress(KeyError, OSError):
            stream = io.BytesIO()
            picture.save(stream, kind)
            yield kind.lower(), "a.img", [stream.getvalue()], read_pixels
    yield "pdf", "a.pdf", [_PDF], read_pixels
    yield (
        "inputs",
        "inputs.txt",
        [b"a.jpg\nhttp://host/b.jpg\ndata:image/png;base64,AA==\n"],
        sources,
    )


_PDF = (
    b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids "
    b"[3 0 R] /Count 1 >>\nendobj\n3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>\n"
    b"endobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
)


def _notes() -> Iterator[tuple]:
    """What clsctl writes for itself, which another process may have spoilt."""
    from clsctl.bench.records import load_measurements, records_file
    from clsctl.builtin.weight_sources.http import _read_identity
    from clsctl.inference.verdicts import read_verdict
    from clsctl.training.run_dir import checkpoint

    def verdict(path: Path) -> None:
        read_verdict(path.with_name("a"), {})

    def identity(path: Path) -> None:
        _read_identity(path.with_name("download"))

    def measurements(path: Path) -> None:
        os.environ["CLSCTL_HOME"] = str(path.parent)
        records_file().parent.mkdir(exist_ok=True)
        path.rename(records_file())
        load_measurements()

    def states(path: Path) -> None:
        checkpoint.read_progress(path.parent.parent, path.parent.name)

    text = b'{"reason": "it differs", "versions": {"clsctl": "1"}}'
    yield "verdict", "a.verdict.json", [text, *_json()], verdict
    yield "download", "download.json", [b'{"validator": "x", "total": 3}', *_json()], identity
    yield "measurements", "bench.json", [b'{"measurements": []}', *_json()], measurements
    yield "pdstates", "pdstates", _pickles(), states


def _json() -> list[bytes]:
    return [b'{"a": [1, 2.5, null, true, "x\\u00e9"]}', b"[" * 100 + b"]" * 100, b"1e999", b"NaN"]


def _yaml() -> list[bytes]:
    return [
        b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        b"{a: !!int '1', b: 2001-12-14, c: 0o17, d: .inf, e: ~, <<: {f: 1}}\n",
        b"- !!python/object/apply:os.system ['true']\n",
        b"? [a, b]\n: c\n",
    ]


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in _WHOLE.items():
            member = tarfile.TarInfo(f"m/{name}")
            member.size, member.pax_headers = len(content), {"comment": "é"}
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _onnx() -> bytes:
    from onnx import TensorProto, helper

    info = helper.make_tensor_value_info
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [info("y", TensorProto.FLOAT, [1, 3, 8, 8])],
        [tensor],
    )
    model = helper.make_model(graph)
    ops = [{"ResizeImage": {"resize_short": 8}}, {"CropImage": {"size": 8}}]
    facts = {"labels": json.dumps(["a", "b"]), "transform_ops": json.dumps(ops)}
    helper.set_model_props(model, facts)
    return bytes(model.SerializeToString())


def _pickles() -> list[bytes]:
    import pickle

    import numpy as np

    values = {"w": np.ones((2, 3), np.float32), "b": np.zeros(3, np.int64)}
    return [pickle.dumps(values, protocol) for protocol in (2, 4)]


def _parquet() -> list[bytes]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return [b"PAR1"]
    stream = io.BytesIO()
    pq.write_table(pa.table({"path": ["a.jpg"], "label": ["cat"]}), stream)
    return [stream.getvalue()]


# ---- fuzzing -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _refused() -> Iterator[None]:
    """Let a reader refuse, and the next one have the file as well."""
    from clsctl.errors import ClsctlError

    with contextlib.suppress(ClsctlError):
        yield


def read_one(kind: Format, content: bytes) -> None:
    """Write a file into a new folder, and read it; what is no ClsctlError is raised."""
    from clsctl.errors import ClsctlError

    with tempfile.TemporaryDirectory() as folder:
        for name, other in kind.beside.items():
            Path(folder, name).write_bytes(other)
        path = Path(folder, kind.file)
        path.write_bytes(content)
        started = time.monotonic()
        with contextlib.suppress(ClsctlError):
            kind.read(path)
        seconds = time.monotonic() - started
        if seconds > SLOW_S:
            raise TimeoutError(f"{seconds:.0f} s for {len(content)} bytes")


def by_hypothesis(kind: Format, seconds: float, seed: int) -> bytes | None:
    """Mutate the seeds until the time is over, or return the smallest file that fails."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st
    from hypothesis.database import InMemoryExampleDatabase

    failed: list[bytes] = []
    until = time.monotonic() + seconds
    rounds = random.Random(seed)
    options = settings(
        max_examples=300,
        deadline=None,
        database=InMemoryExampleDatabase(),
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    mutated = st.builds(
        mutate, st.sampled_from(kind.seeds), st.integers(0, 2**32), st.integers(0, 12)
    )

    def attempt(content: bytes) -> None:
        try:
            read_one(kind, content)
        except BaseException:
            failed.append(content)
            raise

    while time.monotonic() < until:
        test = given(mutated | st.binary(max_size=200))(attempt)
        test.hypothesis.inner_test.__qualname__ = f"attempt{rounds.random()}"
        try:
            options(test)()
        except Exception:  # noqa: BLE001, which is what is looked for
            return min(failed[-20:], key=len)
    return None


TOKENS = (
    b"\0", b"\xff\xff\xff\xff", b"\x80", b"\n", b"\r", b'"', b"{", b"[", b"]", b"}", b":", b"-",
    b"&a ", b"*a", b"!!", b"!!int ''", b"1e400", b".nan", b"-.inf", b"9" * 5000, b"2001-99-99",
    b"\xed\xa0\x80", b"\xc3", b"\\ud800", b"\xe2\x80\xa8", b"<<", b"null", b"true", b"../", b"/",
    b"\x7f\xff\xff\xff", b"\x00\x00\x00\x80", b"-1", b"0x", b"1_000", b"\t", b"'", b",", b"=",
    b"#", b"~",
)  # fmt: skip


def mutate(content: bytes, seed: int, times: int) -> bytes:
    """Change a file in a few places: other bytes, tokens, parts left out, repeated or swapped."""
    chance = random.Random(seed)
    data = bytearray(content)
    for _ in range(times):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice((0, 1, 1, 2, 4, 8, 64)))
        part = bytes(data[start:end])
        data[start:end] = chance.choice(
            (
                bytes(chance.randrange(256) for _ in part),
                chance.choice(TOKENS),
                b"",
                part * chance.choice((2, 3, 50)),
                part[::-1],
                bytes((byte ^ 1 << chance.randrange(8)) for byte in part),
                part + chance.choice(TOKENS),
            )
        )
    return bytes(data[:LONGEST])


def by_atheris(kind: Format, seconds: float, seed: int, corpus: Path) -> None:
    """Let Atheris look for files that reach new lines; ends the process, with 77 after a find."""
    import atheris

    for number, content in enumerate(kind.seeds):
        (corpus / str(number)).write_bytes(content)
    options = [
        f"-max_total_time={seconds:.0f}",
        f"-seed={seed}",
        f"-artifact_prefix={corpus}/find-",
    ]
    limits = [f"-max_len={LONGEST}", f"-timeout={SLOW_S:.0f}", "-rss_limit_mb=4096", "-verbosity=0"]
    atheris.Setup([sys.argv[0], str(corpus), *options, *limits], lambda data: read_one(kind, data))
    atheris.Fuzz()


# ---- command -----------------------------------------------------------------------------------


def main() -> int:
    """Fuzz the formats one after another, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("formats", nargs="*", help="all by default")
    parser.add_argument("--seconds", type=float, default=60, help="for each format")
    parser.add_argument("--engine", choices=("hypothesis", "atheris"), default="hypothesis")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, default=Path("finds"), help="where finds are written")
    options = parser.parse_args()
    known = formats()
    print(f"seed {options.seed}")
    found = 0
    for name in options.formats or known:
        arguments = (name, options.engine, options.seconds, options.seed, options.keep)
        child = multiprocessing.get_context("spawn").Process(target=_run, args=arguments)
        child.start()
        child.join()
        found += child.exitcode != 0
        print(f"{name:16}{'found' if child.exitcode else 'nothing'}  {child.exitcode or ''}")
    return int(found > 0)


def _run(name: str, engine: str, seconds: float, seed: int, keep: Path) -> None:
    os.environ["CLSCTL_OFFLINE"] = "1"
    if engine == "atheris":
        import atheris

        with atheris.instrument_imports(include=["clsctl"]):
            kind = formats()[name]
        folder = keep / name.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        by_atheris(kind, seconds, seed, folder)
    from clsctl.system.limits import limit_memory

    kind = formats()[name]
    limit_memory(MEMORY)
    smallest = by_hypothesis(kind, seconds, seed)
    if smallest is None:
        return
    keep.mkdir(parents=True, exist_ok=True)
    path = keep / f"{name.replace(' ', '-')}-{hash(smallest) & 0xFFFF:04x}"
    path.write_bytes(smallest)
    print(f"{name}: {path}")
    try:
        read_one(kind, smallest)
    except BaseException:  # noqa: BLE001, it is shown
        traceback.print_exc()
    sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
