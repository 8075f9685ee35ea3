"""Find which build of a library is installed where a GPU has one of its own, in the same folder.

`paddlepaddle` and `paddlepaddle-gpu` are two distributions of one package, `paddle`, as
`onnxruntime` and `onnxruntime-gpu` are of `onnxruntime`: whichever was installed last overwrote
the other, and removing one removes files of both.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from clsctl.installation import Installation, command_line, find_installation, version_of

PADDLE_INDEX = "https://www.paddlepaddle.org.cn/packages/stable/{cuda}/"
OLDEST_CUDA_12_DRIVER = 525
ONNXRUNTIME_FOR_CUDA_12 = "[cuda,cudnn]<1.27"
"""Later releases are built for CUDA 13, which goes with none of Paddle's builds."""
NEWEST_GPUS = 10.0
"""Compute capability from which on CUDA 12.9 is needed (Blackwell)."""


@dataclass(frozen=True, slots=True)
class Builds:
    """A library's distributions for the processor and for GPUs.

    Attributes:
        facts: A file of the library's that differs between them.
        gpu_fact: What stands in it in the build for GPUs.
    """

    name: str
    package: str
    cpu: str
    gpu: str
    facts: str
    gpu_fact: str

    @property
    def installed(self) -> list[str]:
        """The distributions that are installed, by their metadata."""
        return [name for name in (self.cpu, self.gpu) if version_of(name)]

    @property
    def for_gpus(self) -> bool:
        """Whether the files that would be imported are those of the build for GPUs."""
        found = PathFinder.find_spec(self.package)
        folders = (found and found.submodule_search_locations) or ()
        return any(self._is_for_gpus(Path(folder) / self.facts) for folder in folders)

    def _is_for_gpus(self, path: Path) -> bool:
        try:
            return bool(re.search(self.gpu_fact, path.read_text(encoding="utf-8"), re.MULTILINE))
        except OSError:
            return False


PADDLE = Builds(
    "PaddlePaddle",
    "paddle",
    "paddlepaddle",
    "paddlepaddle-gpu",
    "version/__init__.py",
    r"^cuda_version\s*=\s*'\d",
)
ONNXRUNTIME = Builds(
    "ONNX Runtime",
    "onnxruntime",
    "onnxruntime",
    "onnxruntime-gpu",
    "capi/build_and_package_info.py",
    r"^package_name\s*=\s*'onnxruntime-gpu'",
)
BUILDS = (PADDLE, ONNXRUNTIME)


def build_problem(builds: Builds) -> str:
    """Say what is wrong with what is installed for GPUs; empty where it is one build for them."""
    installed = builds.installed
    if len(installed) == 2:
        which = builds.gpu if builds.for_gpus else builds.cpu
        return (
            f"both {builds.cpu} and {builds.gpu} are installed, into one folder, where the files "
            f"are those of {which}"
        )
    return "" if builds.for_gpus else f"the installed {builds.name} is a CPU build"


def replace_commands(builds: Builds, installation: Installation | None = None) -> str:
    """Return what to type to have the build for GPUs, and that alone."""
    where = installation or find_installation()
    if where.kind == "one-file":
        return "pipx install clsctl, since the one-file build is for processors, then clsctl doctor"
    names = builds.installed or [builds.cpu]
    if builds is PADDLE:
        version = (version_of(builds.gpu) or version_of(builds.cpu)).partition("+")[0]
        release = f"=={version}" if version else ""
        index = PADDLE_INDEX.format(cuda=cuda_of_driver())
    else:
        release, index = ONNXRUNTIME_FOR_CUDA_12, ""
    return command_line(
        *where.uninstall(*names), where.install(f"{builds.gpu}{release}", index=index)
    )


def cuda_of_driver() -> str:
    """Choose the CUDA release of Paddle's builds by the driver and the GPU: such as `cu126`."""
    query = ["nvidia-smi", "--query-gpu=driver_version,compute_cap", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    except OSError:
        answer = ""
    facts = re.match(r"\s*(\d+)\.[\d.]+\s*,\s*(\d+\.\d+)", answer)
    if facts is None:
        return "cu126"
    if int(facts[1]) < OLDEST_CUDA_12_DRIVER:
        return "cu118"
    return "cu129" if float(facts[2]) >= NEWEST_GPUS else "cu126"
