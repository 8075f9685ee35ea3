"""Entry points are those that importlib.metadata finds."""

from __future__ import annotations

import importlib.metadata
import json.decoder

import pytest

from clsctl.plugin.entry_points import EntryPoint, find_entry_points


def announce(site, folder, text):
    info = site / folder
    info.mkdir(parents=True)
    name, _, version = folder.rpartition(".")[0].partition("-")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(text)


@pytest.mark.parametrize("group", ["clsctl", "pytest11", "console_scripts"])
def test_what_is_installed_here(group):
    found = {(point.name, point.value) for point in find_entry_points(group)}
    known = importlib.metadata.entry_points(group=group)
    # What stands in brackets are extras that the script needs.
    assert found == {(point.name, point.value.partition(" [")[0]) for point in known}
    assert found


def test_a_file_is_read_as_the_specification_says(tmp_path):
    text = "[other]\na = x\n[ clsctl ]\n# no = plugin\n b = json.decoder : JSONDecoder [extra]\n"
    announce(tmp_path, "Some_Thing-1.2.dist-info", text)
    [point] = find_entry_points("clsctl", [str(tmp_path), str(tmp_path / "missing")])
    assert point == EntryPoint("b", "json.decoder : JSONDecoder", "some-thing 1.2")
    assert point.load() is json.decoder.JSONDecoder


def test_the_first_of_two_installations_counts(tmp_path):
    for version in ("2.0", "1.0"):
        announce(tmp_path / version, f"thing-{version}.dist-info", f"[clsctl]\nx = v{version[0]}\n")
    path = [str(tmp_path / "2.0"), str(tmp_path / "1.0")]
    assert find_entry_points("clsctl", path) == [EntryPoint("x", "v2", "thing 2.0")]
