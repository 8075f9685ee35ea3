"""Ask a server by the plain protocol, for the results of `clsctl predict`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import urlsplit

from clsctl.errors import DataError, NetworkError, UsageError
from clsctl.images.read import InputImage
from clsctl.result import OutputNames, Result, error_of, result_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.http_client import httpx

RETRIES = 8
"""How often a request is sent again to a server that is overloaded or still loading."""

LONGEST_REST_S = 10.0


class ModelFacts(TypedDict):
    """What a server says of a model.

    Attributes:
        name: What its route is called.
        architecture: What the model directory calls it.
        version: SHA256 of its weights.
        batch: Images of waiting requests that are run together at most.
        topk: Classes that are reported where a request does not say.
        temperature: What the logits are divided by.
        threshold: Classes that score below it are left out, except where scores are exact.
        preprocessing: `transform_ops`, in PaddleX's words.
        provenance: Where the weights came from, and the SHA256 of each file.
        labels: Class names by id.
        explains: Whether the server can show what speaks for a class.
    """

    name: str
    architecture: str
    version: str
    device: str
    backend: str
    precision: str
    batch: int
    topk: int
    temperature: float
    threshold: float
    preprocessing: list[dict[str, Any]]
    provenance: dict[str, Any]
    labels: list[str]
    explains: bool


class Client:
    """Speaks to a server; may be used from several threads, and as a context manager.

    Args:
        url: Such as `http://127.0.0.1:8080`.
        api_key: Where the server wants one.
        timeout: Seconds that an answer may take.

    Raises:
        UsageError: The URL is none (`E_SERVER_URL`).
    """

    def __init__(self, url: str, api_key: str = "", timeout: float = 60.0) -> None:
        from clsctl.http_client import httpx

        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self.url = url.rstrip("/")
        try:
            if not _is_address(self.url):
                raise ValueError
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout)
        except (ValueError, httpx.InvalidURL):
            raise UsageError(
                f"'{url}' is no address of a server",
                code="E_SERVER_URL",
                hint="write it as http://HOST:PORT",
            ) from None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def model_names(self) -> list[str]:
        """List the server's models, the default first.

        Raises:
            NetworkError: The server cannot be reached (`E_SERVER_UNREACHABLE`), or refuses, with
                the code that it gives.
        """
        answer = self._ask("GET", "/v1/models")
        with self._expecting("names of models"):
            return [str(model["name"]) for model in answer["models"]]

    def describe(self, model: str) -> ModelFacts:
        """Return what the server says of a model; raises as `model_names` does."""
        facts: ModelFacts = self._ask("GET", f"/v1/models/{model}")  # type: ignore[assignment]
        return facts

    def classify(
        self,
        images: Mapping[str, bytes] | Sequence[tuple[str, bytes]],
        model: str | None = None,
        *,
        topk: int | None = None,
        exact: bool = False,
        batch: int = 0,
    ) -> list[Result]:
        """Classify encoded images in one request.

        Args:
            images: File contents by name.
            model: Name of the model; the server's default where None.
            topk: Classes to report; the model's own default where None.
            exact: Scores are not rounded.
            batch: Where not 0, the images are run in batches of exactly this many, which gives the
                scores of `clsctl predict --batch`.

        Returns:
            A result for each image or page, in order. One that cannot be read has an `error`.

        Raises:
            NetworkError: As for `model_names`.
        """
        pairs = list(images.items() if isinstance(images, Mapping) else images)
        name = model or self.model_names()[0]
        query: dict[str, Any] = {"batch": batch, "exact": exact}
        if topk is not None:
            query["topk"] = topk
        # Names may hold what no header can: the place stands for them on the way.
        files = [("image", (str(place), content)) for place, (_, content) in enumerate(pairs)]
        answer = self._ask("POST", f"/v1/models/{name}:classify", params=query, files=files)
        saved = OutputNames()
        with self._expecting("results of these images"):
            return [_result(found, pairs, saved) for found in answer["results"]]

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Return the answer's content; an overloaded server is asked again when it says so."""
        for attempt in range(RETRIES + 1):
            response = self._send(method, path, options)
            if response.status_code != 503 or attempt == RETRIES:
                break
            time.sleep(_rest(response.headers.get("Retry-After", "")))
        return self._content(response)

    def _send(self, method: str, path: str, options: Mapping[str, Any]) -> httpx.Response:
        from clsctl.http_client import httpx

        try:
            return self._http.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise NetworkError(
                f"the server at {self.url} cannot be reached: {reason}",
                code="E_SERVER_UNREACHABLE",
                hint="`clsctl serve` starts one and says where it is",
            ) from None

    @contextmanager
    def _expecting(self, what: str) -> Iterator[None]:
        """Make what fails in the block an error of the server, whose answer has another shape."""
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
            raise NetworkError(
                f"{self.url} answers without {what}, and is no `clsctl serve`",
                code="E_SERVER_ANSWER",
            ) from None

    def _content(self, response: httpx.Response) -> dict[str, Any]:
        try:
            content = response.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            reason = f"{self.url} answered {response.status_code}, and is no `clsctl serve`"
            raise NetworkError(reason, code="E_SERVER_ANSWER")
        if response.is_error and "results" not in content:
            error = content.get("error") or {"code": "E_SERVER_ANSWER", "message": "no reason"}
            with self._expecting("a reason"):
                code, message, hint = error["code"], error["message"], error.get("hint", "")
            raise NetworkError(
                f"the server at {self.url} answered {response.status_code}: {message}",
                code=str(code),
                hint=str(hint),
            )
        return content


def _rest(seconds: str) -> float:
    """Return how long to wait, as a Retry-After header says it, or 1 s."""
    return min(float(seconds), LONGEST_REST_S) if seconds.isdecimal() else 1.0


def _is_address(url: str) -> bool:
    try:
        found = urlsplit(url)
        return found.scheme in ("http", "https") and bool(found.hostname) and found.port != 0
    except ValueError:
        return False


def _result(
    found: Mapping[str, Any], images: Sequence[tuple[str, bytes]], saved: OutputNames
) -> Result:
    import numpy as np

    place = found["input_path"]
    name, content = images[int(place)]
    page = found["page_index"]
    if "error" in found:
        told = found["error"]
        message = name + told["message"].removeprefix(place)
        error = DataError(message, code=told["code"], hint=told.get("hint", ""))
        return error_of(InputImage(name, page, error=error))
    ids = np.array(found["class_ids"], np.int32)
    scores = np.array(found["scores"], np.float32)
    result = result_of(
        InputImage(name, page), ids, scores, (), lambda: _pixels(content, page), saved
    )
    result.label_names.extend(found["label_names"])
    return result


def _pixels(content: bytes, page: int | None) -> NDArray[np.uint8]:
    from clsctl.images.decode import iter_pages
    from clsctl.settings import load_settings

    pages = iter_pages(content, load_settings())
    found: NDArray[np.uint8] = next(one.decode() for one in pages if one.number == page)
    return found
