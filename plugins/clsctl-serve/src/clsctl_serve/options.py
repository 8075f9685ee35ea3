"""Hold everything that can be set about a server in one frozen value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What a server serves, and within which bounds.

    Attributes:
        models: Names of catalog models. The first of these, or else the first directory, is the
            default; where neither is given, it is the model that `clsctl predict` takes.
        model_dirs: Model directories, each `DIR` or `NAME=DIR`.
        device: As for `clsctl predict`; None takes the configured one. So do the next two.
        calibrated: Apply what `clsctl calibrate` stored.
        topk: Classes to report where a request names no number; the model's own default where None.
        batch: Images of waiting requests that are run together at most; None is what is fastest, as
            `clsctl.inference.batch_size` finds it.
        max_wait_ms: How long a batch that is not full waits for more images.
        queue: Images that may wait; beyond that, requests are refused at once.
        timeout: Seconds from the first byte of a request to its answer.
        max_body: Bytes of a request's body.
        max_connections: Connections that are open at the same time, in one process.
        threads: Processor cores to use; 0 is all of them.
        api_key: What clients have to present; empty where they need nothing.
        allow_urls: Hosts that images may be fetched from; none where empty.
        reload: Watch the model directories and take up what is replaced.
        offline: Never download a model.
        log_format: `text` or `json`.
    """

    models: tuple[str, ...] = ()
    model_dirs: tuple[str, ...] = ()
    device: str | None = None
    backend: str | None = None
    precision: str | None = None
    calibrated: bool = False
    topk: int | None = None
    batch: int | None = None
    max_wait_ms: float = 0.0
    queue: int = 256
    timeout: float = 30.0
    max_body: int = 20_000_000
    max_connections: int = 1000
    threads: int = 0
    api_key: str = ""
    allow_urls: tuple[str, ...] = ()
    reload: bool = False
    offline: bool | None = None
    log_format: str = "text"
