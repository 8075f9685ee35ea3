"""Speak PaddleX's protocol: `POST /image-classification` and `GET /health`, field for field.

Fields, class ids and statuses are those of PaddleX 3.7, so that its clients need nothing but
another address. What differs: an image that cannot be read is answered with 422 and the reason
(PaddleX: 500), `image` is null where it was not asked for (PaddleX leaves it out), and a client's
`logId` also comes back with results.
"""

from __future__ import annotations

import asyncio
import io
import json
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import pybase64
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, ValidationError

from clsctl_serve.engine import Upload, Wanted
from clsctl_serve.limits import ClientGone
from clsctl_serve.refusal import Refusal
from clsctl_serve.responses import as_refusal, json_response, refused
from clsctl_serve.service import Service

if TYPE_CHECKING:
    from clsctl.result import Result

PATH = "/image-classification"


class InferRequest(BaseModel):
    """An image to classify."""

    image: Annotated[str, Field(description="The image as base64, or its http(s) URL.")]
    topk: Annotated[int | None, Field(gt=0, description="Classes to report.")] = None
    visualize: Annotated[
        bool | None, Field(description="Whether to return the image with its class; yes if null.")
    ] = None
    logId: Annotated[Any, Field(description="Comes back in the answer.")] = None  # noqa: N815


class Category(BaseModel):
    """One class."""

    id: int
    name: str
    score: float


class InferResult(BaseModel):
    """The classes, best first."""

    categories: list[Category]
    image: Annotated[str | None, Field(description="A JPEG as base64.")] = None


class InferResponse(BaseModel):
    """What is answered with status 200."""

    logId: str  # noqa: N815
    errorCode: int = 0  # noqa: N815
    errorMsg: str = "Success"  # noqa: N815
    result: InferResult


class NoResultResponse(BaseModel):
    """What is answered otherwise; `errorCode` is the HTTP status."""

    logId: str  # noqa: N815
    errorCode: int  # noqa: N815
    errorMsg: str  # noqa: N815


def paddlex_routes(service: Service) -> APIRouter:
    """Make both routes."""
    router = APIRouter(tags=["PaddleX's protocol"])
    body = {"content": {"application/json": {"schema": InferRequest.model_json_schema()}}}

    @router.post(
        PATH,
        operation_id="infer",
        summary="Classify one image",
        response_model=InferResponse,
        responses={status: {"model": NoResultResponse} for status in (413, 422, 500, 503, 504)},
        openapi_extra={"requestBody": {"required": True, **body}},
    )
    async def infer(request: Request) -> Response:
        return await _infer(service, request)

    @router.get(
        "/health",
        operation_id="checkHealth",
        summary="Whether the server answers",
        response_model=NoResultResponse,
    )
    async def health() -> Response:
        return json_response(200, {"logId": _new_id(), "errorCode": 0, "errorMsg": "Healthy"})

    return router


async def _infer(service: Service, request: Request) -> Response:
    log_id, deadline = _new_id(), service.deadline()
    try:
        length = request.headers.get("content-length")
        async with service.bodies.body(request.receive, length) as body:
            try:
                asked = InferRequest.model_validate_json(body)
            except ValidationError as error:
                log_id = _log_id(body) or log_id
                raise Refusal(422, "E_REQUEST", json.dumps(_details(error))) from None
            log_id = asked.logId if isinstance(asked.logId, str) else log_id
            return await _classify(service, request, asked, log_id, deadline)
    except ClientGone:
        raise
    except Exception as error:  # noqa: BLE001 - told in PaddleX's words, logged where it is ours
        return refused(PATH, as_refusal(error), log_id)


async def _classify(
    service: Service, request: Request, asked: InferRequest, log_id: str, deadline: float
) -> Response:
    model, draw = service.model(), asked.visualize is not False
    content = await service.fetcher.content(asked.image, deadline)
    wanted, uploads = Wanted(asked.topk or model.topk), [Upload("the image", content)]
    call = await service.classify(
        model, uploads, wanted, request.receive, deadline, keep_pixels=draw
    )
    result = call.results[0]
    if result.error is not None:
        raise Refusal(422, result.error.code, result.error.message)
    drawn = await asyncio.to_thread(_drawn, result) if draw else None
    found = {"categories": _categories(result), "image": drawn}
    success = {"errorCode": 0, "errorMsg": "Success"}
    return json_response(200, {"logId": log_id, "result": found, **success})


def _categories(result: Result) -> list[dict[str, Any]]:
    plain = result.as_dict()
    ids = plain["class_ids"]
    names = plain["label_names"] or [str(number) for number in ids]
    found = zip(ids, names, plain["scores"], strict=True)
    return [{"id": number, "name": name, "score": score} for number, name, score in found]


def _drawn(result: Result) -> str:
    """Return the image with its class, as the base64 of a JPEG."""
    stream = io.BytesIO()
    result.img["res"].save(stream, "JPEG")
    return pybase64.b64encode(stream.getvalue()).decode("ascii")


def _details(error: ValidationError) -> list[dict[str, str]]:
    """List what is wrong with a body, as PaddleX's server does."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        {"type": item["type"], "loc": _dotted(item["loc"]), "msg": item["msg"]} for item in found
    ]


def _dotted(path: tuple[str | int, ...]) -> str:
    return "body" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)


def _log_id(body: bytes) -> str:
    """Find the `logId` of a body that is otherwise wrong."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    log_id = found.get("logId") if isinstance(found, dict) else ""
    return log_id if isinstance(log_id, str) else ""


def _new_id() -> str:
    return str(uuid.uuid4())
