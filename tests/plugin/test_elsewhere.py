"""What elsewhere.toml says of the plugins in this repository is what they bring."""

import pytest
from paths import ROOT

from clsctl.plugin import elsewhere
from clsctl.plugin.registry import default_registry
from clsctl.schema.documents import load_document

KNOWN = load_document(elsewhere.PATH)


def brought(kind):
    """What installed plugins of this repository add, and the distribution each comes in."""
    registry = default_registry()
    for found in registry.contributions("catalogs" if kind == "models" else kind).values():
        package = registry.origins[found.plugin].partition(" ")[0]
        if (ROOT / "plugins" / package).is_dir():
            items = found.item.load() if kind == "models" else [found.item]
            yield from ((item.name, package) for item in items)


@pytest.mark.parametrize("kind", KNOWN)
def test_it_names_what_the_plugins_bring(kind):
    found = dict(brought(kind))
    assert found
    assert found.items() <= KNOWN[kind].items()
    assert set(KNOWN[kind].values()) <= {folder.name for folder in (ROOT / "plugins").iterdir()}


def test_an_executor_that_a_plugin_brings(clsctl):
    done = clsctl(
        "predict", "x.png", "--executor", "remote", env={"CLSCTL_DISABLED_PLUGINS": "serve"}
    )
    assert done.returncode == 2
    assert "hint: the plugin clsctl-serve brings it: clsctl plugins install" in done.stderr
