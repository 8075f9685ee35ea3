from __future__ import annotations

from stores import NAME


def test_remove(clsctl, folder, mirror):
    clsctl("models", "pull", NAME, "--mirror", mirror)
    assert clsctl("models", "remove", NAME).stdout == f"{NAME} removed\n"
    assert not folder.exists()
    done = clsctl("models", "remove", NAME)
    assert done.returncode == 4
    assert done.stderr.startswith(f"error: '{NAME}' is not in the store [E_MODEL_NOT_PULLED]\n")
