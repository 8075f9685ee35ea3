"""`clsctl serve -m`: whatever `clsctl predict -m` takes."""

from __future__ import annotations

import shutil


def test_a_directory_and_a_run_are_models(start, ready, tmp_path):
    best = tmp_path / "run" / "best_model"
    shutil.copytree(ready, best / "inference")
    (best / "best_model.pdparams").touch()
    for model in (ready, best.parent):
        server = start("-m", model)
        assert [each["name"] for each in server.get("/v1/models").json()["models"]] == [
            "MobileNetV1_x0_25"
        ]
