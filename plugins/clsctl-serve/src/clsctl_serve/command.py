"""`clsctl serve`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer


def _models() -> list[str]:
    """Complete the value of -m."""
    from clsctl.models.catalog import load_catalog

    return list(load_catalog())


class ExecutorName(str, enum.Enum):
    """Where the models run."""

    local = "local"
    ray = "ray"


class LogFormat(str, enum.Enum):
    """How the log is written."""

    text = "text"
    json = "json"


def serve(
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            metavar="MODEL",
            rich_help_panel="Model",
            help="A catalog name, model directory, run folder or ONNX file; repeatable.",
            autocompletion=_models,
        ),
    ] = None,
    model_dir: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]DIR",
            rich_help_panel="Model",
            help="A model directory of your own; repeatable.",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(metavar="HOST", rich_help_panel="Network", help="The address to listen on."),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            metavar="PORT",
            min=0,
            max=65535,
            rich_help_panel="Network",
            help="The port; 0 takes a free one.",
        ),
    ] = 8080,
    topk: Annotated[
        int | None,
        typer.Option(
            "-k",
            "--topk",
            min=1,
            rich_help_panel="Model",
            help="Classes where a request says nothing.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel="Speed",
            help="auto, cpu, gpu[:N] or npu[:N].",
            show_default="auto",
        ),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel="Speed",
            help="auto, or a backend's name.",
            show_default="auto",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel="Speed",
            help="fp32, bf16, fp16, int8, or auto.",
            show_default="fp32",
        ),
    ] = None,
    calibrated: Annotated[
        bool,
        typer.Option(
            "--calibrated",
            rich_help_panel="Model",
            help="Apply what `clsctl calibrate` stored.",
            show_default=False,
        ),
    ] = False,
    batch: Annotated[
        str,
        typer.Option(
            metavar="auto|N",
            rich_help_panel="Speed",
            help="Waiting images that are run together at most.",
        ),
    ] = "auto",
    max_wait_ms: Annotated[
        float,
        typer.Option(
            metavar="MS",
            min=0,
            rich_help_panel="Speed",
            help="How long a batch that is not full waits for more.",
        ),
    ] = 0.0,
    queue: Annotated[
        int,
        typer.Option(
            min=1,
            rich_help_panel="Limits",
            help="Images that may wait; beyond that the answer is 503.",
        ),
    ] = 256,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1,
            metavar="S",
            rich_help_panel="Limits",
            help="Seconds until a request is answered.",
        ),
    ] = 30.0,
    max_body: Annotated[
        str,
        typer.Option(
            metavar="SIZE",
            rich_help_panel="Limits",
            help="The largest body, such as 500KB or 20MB.",
        ),
    ] = "20MB",
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            rich_help_panel="Speed",
            help="Processes, each with the models and a share of the cores.",
        ),
    ] = 1,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel="Network",
            help="A file with the key that clients must present.",
            show_default="$CLSCTL_API_KEY",
        ),
    ] = None,
    allow_urls: Annotated[
        str,
        typer.Option(
            metavar="HOST,...",
            rich_help_panel="Network",
            help="Hosts that images may be fetched from.",
            show_default="none",
        ),
    ] = "",
    reload: Annotated[
        bool,
        typer.Option(
            "--reload",
            rich_help_panel="Advanced",
            help="Take up replaced model directories.",
            show_default=False,
        ),
    ] = False,
    log_format: Annotated[
        LogFormat,
        typer.Option(
            metavar="NAME", rich_help_panel="Advanced", help="How the log is written: text or json."
        ),
    ] = LogFormat.text,
    executor: Annotated[
        ExecutorName,
        typer.Option(
            metavar="NAME",
            rich_help_panel="Cluster",
            help="Where the models run: local, or ray for replicas on a Ray cluster.",
        ),
    ] = ExecutorName.local,
    ray_address: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            rich_help_panel="Cluster",
            help="The cluster's.",
            show_default="$RAY_ADDRESS, or this machine alone",
        ),
    ] = "",
    replicas: Annotated[
        str,
        typer.Option(
            metavar="N|MIN-MAX",
            rich_help_panel="Cluster",
            help="How many, each with a core or an accelerator of its own.",
        ),
    ] = "1",
    offline: Annotated[
        bool | None,
        typer.Option(
            "--offline",
            rich_help_panel="Advanced",
            help="Never download a model.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Serve models over HTTP, with a page to drop a photo on.

    `POST /image-classification` speaks PaddleX's protocol, `POST /v1/models/NAME:classify` takes
    images as they are; /docs describes both. SIGTERM and Ctrl-C finish what was accepted, SIGHUP
    takes up replaced model directories.
    """
    from clsctl.inference.batch_size import parse_batch
    from clsctl_serve.options import ServeOptions
    from clsctl_serve.start import listen, parse_size, read_key, start

    options = ServeOptions(
        models=tuple(model or ()),
        model_dirs=tuple(model_dir or ()),
        device=device,
        backend=backend,
        precision=precision,
        calibrated=calibrated,
        topk=topk,
        batch=parse_batch(batch),
        max_wait_ms=max_wait_ms,
        queue=queue,
        timeout=timeout,
        max_body=parse_size(max_body),
        api_key=read_key(api_key_file),
        allow_urls=tuple(host.strip() for host in allow_urls.split(",") if host.strip()),
        reload=reload,
        offline=offline,
        log_format=log_format.value,
    )
    replication = None
    if executor is ExecutorName.ray:
        from clsctl_serve.replicas import Replication, parse_replicas

        replication = Replication(ray_address, *parse_replicas(replicas))
    start(options, listen(host, port), workers, replication)
