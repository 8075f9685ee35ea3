"""Read a job's inputs here and have a server classify them: the executor `remote`."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.errors import ClsctlError, NetworkError, UsageError
from clsctl.images.decode import from_array
from clsctl.images.fetch import download, read_file
from clsctl.images.read import InputImage, naming, read_page
from clsctl.images.sources import Source, iter_sources
from clsctl.plugin import DeviceId, ModelSpec, Placement, PredictJob
from clsctl.result import SCORE_DECIMALS, OutputNames, Result, apply_threshold, error_of
from clsctl.settings import Settings
from clsctl.system.iteration import batched
from clsctl.system.threads import ordered_map
from clsctl_serve.client import Client
from clsctl_serve.start import KEY_VARIABLE

if TYPE_CHECKING:
    from clsctl_serve import RemoteOptions

REQUESTS = 8
"""Requests that are under way at the same time."""

GROUP = 4
"""Inputs of a request where each is run alone."""


def prepare(options: RemoteOptions, model: str | None, settings: Settings) -> PredictJob:
    """Make a job for a model of the server, which needs nothing of it here.

    Args:
        model: Its name; the server's default where None.

    Raises:
        UsageError: No server was named (`E_SERVER_URL`).
        NetworkError: It cannot be reached, or has no such model; or clsctl is offline.
    """
    with _client(options, settings) as client:
        facts = client.describe(model or client.model_names()[0])
    spec = ModelSpec(
        facts["name"], Path(), Path("server.json"), None, (), tuple(facts["labels"]), facts["topk"]
    )
    placement = Placement(_device(facts["device"]), precision=facts["precision"])
    backend = f"{facts['backend']} at {options.server}"
    return PredictJob(
        spec, (), backend, placement, settings, topk=spec.topk, threshold=facts["threshold"]
    )


def run(job: PredictJob) -> Iterator[Result]:
    """Classify a job's inputs on its server.

    Yields:
        What the local executor yields, for the same model, backend and processor.

    Raises:
        NetworkError: The server cannot be reached, or refuses.
    """
    batch = job.batch_size or 1
    size = 1 if job.live else batch if batch > 1 else GROUP
    groups = batched(iter_sources(job.inputs), size)
    with _client(job.options, job.settings) as client:
        work = functools.partial(_classify, client, job, OutputNames())
        with ordered_map(work, groups, REQUESTS) as answers:
            for results in answers:
                yield from results


def _device(text: str) -> DeviceId:
    """Return the device that a server calls `cpu` or `gpu:0`."""
    kind, colon, number = text.partition(":")
    return DeviceId(kind, int(number)) if colon else DeviceId(kind)


def _client(options: RemoteOptions, settings: Settings) -> Client:
    if not options.server:
        raise UsageError(
            "--executor remote needs a server",
            code="E_SERVER_URL",
            hint="say where it is, with --server http://HOST:PORT",
        )
    if settings.offline:
        reason = f"the server at {options.server} is on the network, and clsctl is offline"
        raise NetworkError(reason, code="E_OFFLINE", hint="leave out --offline")
    return Client(options.server, os.environ.get(KEY_VARIABLE, ""), settings.timeout or 600)


def _classify(
    client: Client, job: PredictJob, saved: OutputNames, sources: Sequence[Source]
) -> list[Result]:
    """Return the results of some inputs, in their order."""
    contents = [_content(source, job.settings) for source in sources]
    sent = [
        (str(place), content)
        for place, content in enumerate(contents)
        if isinstance(content, bytes)
    ]
    found: list[list[Result]] = [
        [error_of(InputImage(source.input_path, error=content, file=source.file), saved)]
        if isinstance(content, ClsctlError)
        else []
        for source, content in zip(sources, contents, strict=True)
    ]
    if sent:
        # Not left to the server: what shares a batch there moves a score's last digit.
        batch = job.batch_size or 1
        answers = client.classify(sent, job.model.name, topk=job.topk, exact=True, batch=batch)
        for result in answers:
            place = int(result.input_path)
            found[place].append(_own(result, sources[place], job, saved))
    return [result for results in found for result in results]


def _own(result: Result, source: Source, job: PredictJob, saved: OutputNames) -> Result:
    """Return the result under its input's own name, rounded and cut as it would be here."""
    own: dict[str, Any] = {"input_path": source.input_path, "file": source.file, "_names": saved}
    if result.error is not None:
        message = source.input_path + result.error.message.removeprefix(result.input_path)
        error = type(result.error)(message, code=result.error.code, hint=result.error.hint)
        return replace(result, error=error, **own)
    load = functools.partial(read_page, source, result.page_index, job.settings)
    scores = result.scores if job.exact else result.scores.round(SCORE_DECIMALS)
    named = replace(result, scores=scores, _load=load, **own)
    return apply_threshold(named, job.threshold) if job.threshold else named


def _content(source: Source, settings: Settings) -> bytes | ClsctlError:
    """Read the encoded image, or say why there is none."""
    content = source.content
    try:
        with naming(source.input_path):
            if isinstance(content, ClsctlError):
                raise content
            if isinstance(content, Path):
                return read_file(content)
            if isinstance(content, str):
                return download(content, settings)
            if isinstance(content, bytes):
                return content
            return _as_png(content)
    except ClsctlError as error:
        return error


def _as_png(array: Any) -> bytes:
    import cv2

    pixels = cv2.cvtColor(from_array(array), cv2.COLOR_RGB2BGR)
    encoded: bytes = cv2.imencode(".png", pixels)[1].tobytes()
    return encoded
