"""`clsctl eval --executor ray` gives what an evaluation in one process gives."""

from __future__ import annotations

import evaluating


def test_every_score_is_that_of_the_local_executor(clsctl, cluster, tmp_path, tmp_path_factory):
    data, run = evaluating.dataset(tmp_path_factory), evaluating.run(tmp_path_factory)
    command = ("eval", "-d", data, "--model-dir", run / "best_model/inference", "-b", "4")
    ray = ("--executor", "ray", "--ray-address", cluster.address, "--shard-size", "5")
    there, here = (
        clsctl(*command, "--backend", "paddle", "-o", name, *options)
        for name, options in (("there", ray), ("here", ()))
    )
    assert (there.returncode, here.returncode) == (0, 0), there.stderr
    assert there.stdout.replace("there/", "here/") == here.stdout
    files = [tmp_path / name / "evaluation/predictions.csv" for name in ("there", "here")]
    assert files[0].read_bytes() == files[1].read_bytes()
