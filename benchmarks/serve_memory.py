"""The memory of `clsctl serve` while it answers requests of all kinds, which has to stay as it is.

    python benchmarks/serve_memory.py [REQUESTS]

wrk sends, over 8 connections, JPEGs and PNGs to both protocols: as base64, drawn too, as they are,
several in a form, and damaged ones; the model is the small one of the tests. Prints the server's
resident memory and the requests a second since the line before, at points on the way.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/support"))
sys.path.insert(0, str(Path(__file__).parents[1] / "plugins/clsctl-serve/tests/support"))

import models
import pictures
from serve_process import NAME, Server

CONNECTIONS, POINTS = 8, 20
PADDLEX, PLAIN = "/image-classification", f"/v1/models/{NAME}:classify"
SCRIPT = """
local requests, next = {{}}, 0
for _, one in ipairs({{{table}}}) do
  local headers = {{["Content-Type"] = one[2]}}
  table.insert(requests, wrk.format("POST", one[1], headers, io.open(one[3], "rb"):read("*a")))
end
request = function() next = next % #requests + 1; return requests[next] end
"""

Request = tuple[str, str, bytes]


def main() -> None:
    logging.getLogger("httpx").setLevel(logging.WARNING)
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        models.export_tiny(folder / "model")
        server = Server(folder / "log", "--model-dir", folder / "model")
        try:
            _watch(server, _script(folder), wanted)
            assert "Traceback" not in server.log
        finally:
            server.stop()


def _requests() -> Iterator[Request]:
    """Path, content type and body of each kind of request."""
    photos = [pictures.photo(120, 160), pictures.photo(300, 225, seed=1)]
    images = [pictures.encoded(photo, "JPEG", quality=90) for photo in photos]
    images += [pictures.encoded(photos[0], "PNG"), images[0][: len(images[0]) // 2], b"no image"]
    for image in images:
        text = base64.b64encode(image).decode()
        for draw in (False, True):
            body = json.dumps({"image": text, "visualize": draw}).encode()
            yield PADDLEX, "application/json", body
        yield PLAIN, "application/octet-stream", image
    yield PLAIN, "multipart/form-data; boundary=b", _form(images)
    yield PLAIN, "application/json", b'{"images": '


def _form(images: list[bytes]) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="i"; filename="x"\r\n\r\n'
    return b"".join(head + image + b"\r\n" for image in images) + b"--b--\r\n"


def _script(folder: Path) -> Path:
    rows = []
    for number, (path, kind, body) in enumerate(_requests()):
        file = folder / f"body-{number}"
        file.write_bytes(body)
        rows.append(f'{{"{path}", "{kind}", "{file}"}}')
    script = folder / "requests.lua"
    script.write_text(SCRIPT.format(table=", ".join(rows)))
    return script


def _watch(server: Server, script: Path, wanted: int) -> None:
    done, seconds = 0, 1
    while done < wanted:
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "-s", str(script), server.url]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        requests = int(re.search(r"(\d+) requests in", text)[1])
        done += requests
        memory = server.figure("clsctl_resident_bytes") / 2**20
        print(
            f"{done:>8} requests  {memory:7.1f} MiB  {requests / seconds:7.1f} requests/s",
            flush=True,
        )
        seconds = max(1, round(wanted / POINTS * seconds / requests))


if __name__ == "__main__":
    main()
