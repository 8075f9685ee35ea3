from __future__ import annotations

import json

from stores import NAME


def test_verify_lists_every_file(clsctl, folder, mirror):
    clsctl("models", "pull", NAME, "--mirror", mirror)
    done = clsctl("models", "verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["Model", "File", "State"],
        [NAME, "inference/inference.json", "ok"],
        [NAME, "inference/inference.pdiparams", "ok"],
        [NAME, "inference/inference.yml", "ok"],
    ]
    (folder / "inference.yml").write_bytes(b"")
    done = clsctl("models", "verify", NAME, "--format", "json")
    assert done.returncode == 4
    assert json.loads(done.stdout)[-1] == {
        "model": NAME,
        "file": "inference/inference.yml",
        "state": "changed",
    }
    assert json.loads(done.stderr)["error"] == {
        "code": "E_CHECKSUM",
        "message": "1 of 3 files are not as recorded",
        "hint": "`clsctl models pull NAME --kind all --force` repairs a pulled model",
    }
