"""Speak the plain protocol: `/v1/models`, and images as they are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, ValidationError

from clsctl_serve.engine import Upload, Wanted, describe
from clsctl_serve.multipart import LONGEST_NAME, parse_files
from clsctl_serve.refusal import bad_request
from clsctl_serve.responses import json_response
from clsctl_serve.service import Service

if TYPE_CHECKING:
    from clsctl.result import Result
    from clsctl_serve.batching import Call

MAX_BATCH = 256


class NamedImage(BaseModel):
    """An image, and what its result calls it."""

    image: Annotated[str, Field(description="Base64, or an http(s) URL.")]
    name: Annotated[str | None, Field(max_length=LONGEST_NAME)] = None


class ClassifyRequest(BaseModel):
    """Several images in one body."""

    images: Annotated[list[NamedImage | str], Field(min_length=1)]


class ErrorRecord(BaseModel):
    """Why something failed."""

    code: str
    message: str
    hint: str | None = None


class ImageResult(BaseModel):
    """The classes of an image or page, best first, or `error`; as in `--format jsonl`."""

    input_path: str
    page_index: int | None
    class_ids: list[int] | None = None
    scores: list[float] | None = None
    label_names: list[str] | None = None
    error: ErrorRecord | None = None


class Milliseconds(BaseModel):
    """Where the time went."""

    wait: float
    decode: float
    run: float


class ClassifyResponse(BaseModel):
    """A result for each image or page, in the order they were sent."""

    model: str
    version: Annotated[str, Field(description="SHA256 of the weights.")]
    precision: str
    backend: str
    results: list[ImageResult]
    ms: Milliseconds


class ExplainResponse(BaseModel):
    """What speaks for a class."""

    model: str
    class_id: int
    label_name: Annotated[str | None, Field(description="Where the model names its classes.")]
    score: float
    image: Annotated[
        str,
        Field(description="JPEG in base64: what the network saw, the brighter the more it spoke."),
    ]


class Refused(BaseModel):
    """What is answered where nothing was classified."""

    error: ErrorRecord


class ModelSummary(BaseModel):
    """A model that the server has."""

    name: str
    default: bool
    ready: bool


class ModelList(BaseModel):
    """Every model, the default first."""

    models: list[ModelSummary]


_IMAGES = {
    "application/json": {"schema": ClassifyRequest.model_json_schema()},
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "properties": {
                "image": {"type": "array", "items": {"type": "string", "format": "binary"}}
            },
        }
    },
    "image/*": {"schema": {"type": "string", "format": "binary"}},
}


def v1_routes(service: Service) -> APIRouter:
    """Make the routes of the plain protocol."""
    router = APIRouter(prefix="/v1", tags=["Plain protocol"])

    @router.post(
        "/models/{name}:classify",
        operation_id="classify",
        summary="Classify images",
        description="Send one image as the body itself, several as files of a form or in JSON. A "
        "PDF or multi-page TIFF gives a result a page. An image that cannot be read has an "
        "error in its place; the status is 422 only where not one could be read.",
        response_model=ClassifyResponse,
        responses={
            status: {"model": Refused} for status in (401, 404, 408, 413, 422, 500, 503, 504)
        },
        openapi_extra={"requestBody": {"required": True, "content": _IMAGES}},
    )
    async def classify(
        request: Request,
        name: str,
        topk: Annotated[int | None, Query(gt=0, description="Classes to report.")] = None,
        exact: Annotated[bool, Query(description="Scores are not rounded.")] = False,
        batch: Annotated[
            int,
            Query(
                ge=0,
                le=MAX_BATCH,
                description="Run the images in batches of exactly this many, as clsctl predict "
                "--batch would, apart from other requests; 0: however is fastest.",
            ),
        ] = 0,
    ) -> Response:
        deadline, model = service.deadline(), service.model(name)
        length = request.headers.get("content-length")
        async with service.bodies.body(request.receive, length) as body:
            kind = request.headers.get("content-type", "")
            uploads = await _uploads(service, body, kind, deadline)
            wanted = Wanted(topk or model.topk, exact)
            call = await service.classify(model, uploads, wanted, request.receive, deadline, batch)
            return _answer(call)

    @router.post(
        "/models/{name}:explain",
        operation_id="explain",
        summary="Show what speaks for a class",
        description="Send one image as the body itself. Only of models whose training weights are "
        "on the server: `explains` in their description.",
        response_model=ExplainResponse,
        responses={status: {"model": Refused} for status in (401, 404, 408, 413, 422, 503, 504)},
        openapi_extra={
            "requestBody": {"required": True, "content": {"image/*": _IMAGES["image/*"]}}
        },
    )
    async def explain(
        request: Request,
        name: str,
        class_id: Annotated[int | None, Query(ge=0, description="The best if left out.")] = None,
    ) -> Response:
        deadline, model = service.deadline(), service.model(name)
        length = request.headers.get("content-length")
        async with service.bodies.body(request.receive, length) as body:
            found = await service.explainer.explain(
                model, Upload("image", body), class_id, deadline
            )
            labels = model.job.model.labels
            label = labels[found.class_id] if found.class_id < len(labels) else None
            content = {"model": model.name, "label_name": label, **found._asdict()}
            return json_response(200, content)

    @router.get(
        "/models", operation_id="listModels", summary="List the models", response_model=ModelList
    )
    async def list_models() -> Response:
        found = [
            {"name": name, "default": name == service.default, "ready": slot.model is not None}
            for name, slot in service.slots.items()
        ]
        return json_response(200, {"models": found})

    @router.get("/models/{name}", operation_id="describeModel", summary="Describe a model")
    async def describe_model(name: str) -> Response:
        return json_response(200, await asyncio.to_thread(describe, service.model(name)))

    return router


async def _uploads(service: Service, body: bytes, kind: str, deadline: float) -> list[Upload]:
    media = kind.partition(";")[0].strip().lower()
    if media == "multipart/form-data":
        uploads = parse_files(body, kind, service.options.queue)
    elif media == "application/json":
        uploads = await _from_json(service, body, deadline)
    else:
        uploads = [Upload("image", body)]
    if not uploads:
        raise bad_request("the form has no file", "give each image as a file, as curl -F does")
    return uploads


async def _from_json(service: Service, body: bytes, deadline: float) -> list[Upload]:
    try:
        asked = ClassifyRequest.model_validate_json(body)
    except ValidationError as error:
        raise bad_request(_first(error)) from None
    named = [
        item if isinstance(item, NamedImage) else NamedImage(image=item) for item in asked.images
    ]
    contents = await asyncio.gather(
        *(service.fetcher.content(item.image, deadline) for item in named)
    )
    return [
        Upload(f"image[{number}]" if item.name is None else item.name, content)
        for number, (item, content) in enumerate(zip(named, contents, strict=True))
    ]


def _first(error: ValidationError) -> str:
    """Say what is wrong with a body first, in one line."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(key) for key in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def _answer(call: Call) -> Response:
    results, model = call.results, call.model
    times = {"wait": call.wait or 0.0, "decode": call.decode, "run": call.run}
    content = {
        "model": model.name,
        "version": model.version,
        "precision": model.precision,
        "backend": model.backend,
        "results": [_plain(result, call.wanted.exact) for result in results],
        "ms": {stage: round(1000 * seconds, 2) for stage, seconds in times.items()},
    }
    failed = all(result.error is not None for result in results)
    return json_response(422 if failed else 200, content)


def _plain(result: Result, exact: bool) -> dict[str, Any]:
    """Return the result as jsonl has it, with an error's hint, or every digit of its scores."""
    plain = result.as_dict()
    if result.error is not None:
        plain["error"] = result.error.as_dict()
    if exact and "scores" in plain:
        plain["scores"] = result.scores.tolist()
    return plain
