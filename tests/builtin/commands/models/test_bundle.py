from __future__ import annotations

import hashlib

from stores import NAME


def test_a_bundle_is_carried_to_a_machine_without_a_network(clsctl, mirror, tmp_path):
    clsctl("models", "pull", NAME, "--kind", "all", "--mirror", mirror)
    done = clsctl("models", "bundle", NAME, "-o", "models.tar")
    digest = hashlib.sha256((tmp_path / "models.tar").read_bytes()).hexdigest()
    assert (done.returncode, done.stdout) == (0, f"models.tar {digest}\n")
    env = {"CLSCTL_HOME": str(tmp_path / "other machine"), "CLSCTL_OFFLINE": "1"}
    done = clsctl("models", "import", "models.tar", env=env)
    assert done.stdout == f"{NAME} inference imported\n{NAME} training imported\n"
    done = clsctl("models", "pull", NAME, env=env)
    assert done.returncode == 0
    assert clsctl("models", "verify", env=env).returncode == 0
