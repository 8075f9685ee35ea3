from __future__ import annotations

import made_plugins

MISSPELT = """
from clsctl.plugin import hookimpl

@hookimpl
def clsctl_wirters():
    return []
"""


def test_a_misspelt_hook_is_reported(clsctl, tmp_path):
    env = made_plugins.install(tmp_path / "site", "typo", MISSPELT)
    done = clsctl("plugins", "check", env=env)
    assert done.returncode == 2
    assert "E_PLUGIN_BROKEN" in done.stderr
    assert "plugin 'typo' implements 'clsctl_wirters', which is no hook of clsctl" in done.stderr


def test_a_sound_set_of_plugins_passes_the_check(clsctl):
    done = clsctl("plugins", "check")
    assert done.returncode == 0
    assert "plugins are sound" in done.stdout
