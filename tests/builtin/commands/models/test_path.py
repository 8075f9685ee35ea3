from __future__ import annotations

from stores import NAME, pdparams


def test_each_kind_of_weights_has_its_path(clsctl, folder, mirror):
    clsctl("models", "pull", NAME, "--kind", "training", "--mirror", mirror)
    path = folder.parent / "training" / f"{NAME}_pretrained.pdparams"
    assert clsctl("models", "path", NAME, "--kind", "training").stdout == f"{path}\n"
    assert path.read_bytes() == pdparams()
    assert clsctl("models", "path", NAME).returncode == 4


def test_the_old_name_of_the_option_is_refused_with_the_new_one(call):
    for command in ("path", "pull"):
        done = call("models", command, NAME, "--weights", "train")
        assert done.returncode == 2
        assert done.stderr == (
            "error: --weights is now called --kind [E_OPTION_RENAMED]\n"
            "hint: write --kind training\n"
        )
