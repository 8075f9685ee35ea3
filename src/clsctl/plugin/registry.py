"""Load the built-in plugins and the `clsctl` entry points; look things up by kind and name.

The built-ins of a kind are the modules of one package (`clsctl.builtin.backends`,
`clsctl.builtin.commands` ...) and its sub-packages, found with pkgutil and imported when that kind
is first asked for. Third-party plugins are loaded once; one that fails to load is a warning, never
a crash.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import keyword
import os
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import pluggy

from clsctl.console.messages import note, warn
from clsctl.errors import ModelError, UsageError, unknown_name
from clsctl.plugin import hookspecs
from clsctl.plugin.descriptors import Command
from clsctl.plugin.entry_points import EntryPoint, find_entry_points

GROUP = "clsctl"
BUILTIN = "clsctl.builtin"
KINDS = tuple(
    name.removeprefix("clsctl_") for name in vars(hookspecs) if name.startswith("clsctl_")
)


class Contribution(NamedTuple):
    """One thing that a plugin adds: its kind, its descriptor and the plugin's name."""

    kind: str
    item: Any
    plugin: str


@dataclass
class Registry:
    """Every plugin that could be loaded, and a sentence for each that could not.

    Attributes:
        origins: Where each plugin comes from, by plugin name: `built-in`, or the distribution
            and its version.
        problems: One sentence for each plugin that failed or is suspicious.
    """

    manager: pluggy.PluginManager
    disabled: frozenset[str] = frozenset()
    origins: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _found: dict[str, dict[str, Contribution]] = field(default_factory=dict)

    def contributions(self, kind: str) -> dict[str, Contribution]:
        """Return what plugins add of one kind, by name.

        Raises:
            UsageError: Two plugins claim one name (`E_PLUGIN_CONFLICT`).
        """
        if kind not in self._found:
            self._load_builtins(kind)
            self._found[kind] = self._collect(kind)
        return self._found[kind]

    def items(self, kind: str) -> dict[str, Any]:
        """Return the descriptors of one kind, by name."""
        return {name: found.item for name, found in self.contributions(kind).items()}

    def get(self, kind: str, name: str) -> Any:
        """Look up the descriptor of that kind and name.

        Raises:
            UsageError: There is none; the message holds the nearest names.
            ModelError: There is no such architecture.
        """
        items = self.items(kind)
        if name in items:
            return items[name]
        from clsctl.plugin.elsewhere import hint_elsewhere

        noun = kind.removesuffix("s").replace("_", " ")
        error = ModelError if kind == "architectures" else UsageError
        raise error(
            unknown_name(noun, name, items),
            code=f"E_{noun.upper().replace(' ', '_')}_UNKNOWN",
            hint=hint_elsewhere(kind, name) or "`clsctl plugins list` shows what every plugin adds",
        )

    def find_command(self, words: Sequence[str]) -> Command | None:
        """Find the command that the words of a command line begin with, or None.

        Built-in modules are called like their commands (`models/list.py`), so that this one alone
        is imported. Where a third-party plugin claims a built-in command, None is returned, and
        `items` says what is wrong.
        """
        third_party = {
            name: found
            for name, found in self._collect("commands").items()
            if self.origins[found.plugin] != "built-in"
        }
        for count in range(min(2, len(words)), 0, -1):
            name = " ".join(words[:count])
            module = _command_module(words[:count])
            if name in third_party:
                command: Command = third_party[name].item
                return None if module else command
            if module and module.removeprefix(f"{BUILTIN}.") not in self.disabled:
                commands = importlib.import_module(module).clsctl_commands()
                return next((command for command in commands if command.name == name), None)
        return None

    def register(self, plugin: object, name: str, origin: str) -> None:
        """Add a plugin, unless it is disabled, and report hooks that it misspells."""
        if name in self.disabled:
            return
        self.manager.register(plugin, name)
        self.origins[name] = origin
        for hook in _misspelt_hooks(plugin):
            self.report(f"plugin '{name}' implements '{hook}', which is no hook of clsctl")

    def report(self, problem: str) -> None:
        """Keep a problem with a plugin and warn about it, once, on standard error."""
        if problem not in self.problems:
            self.problems.append(problem)
            warn(problem)

    def _load_builtins(self, kind: str) -> None:
        root = f"{BUILTIN}.{kind}"
        package = importlib.import_module(root)
        for module in pkgutil.walk_packages(package.__path__, f"{root}."):
            if not module.name.rpartition(".")[2].startswith("_"):
                name = module.name.removeprefix(f"{BUILTIN}.")
                self.register(importlib.import_module(module.name), name, "built-in")

    def _collect(self, kind: str) -> dict[str, Contribution]:
        found: dict[str, Contribution] = {}
        impls = getattr(self.manager.hook, f"clsctl_{kind}").get_hookimpls()
        # Built-ins first, so that the third-party one is switched off in a conflict.
        for impl in sorted(impls, key=lambda impl: self.origins[impl.plugin_name] != "built-in"):
            for item in self._call(impl):
                if item.name in found:
                    raise UsageError(
                        f"the {kind.removesuffix('s').replace('_', ' ')} '{item.name}' comes from "
                        f"two plugins, '{found[item.name].plugin}' and '{impl.plugin_name}'",
                        code="E_PLUGIN_CONFLICT",
                        hint=f"set CLSCTL_DISABLED_PLUGINS={impl.plugin_name} to switch one off",
                    )
                found[item.name] = Contribution(kind, item, impl.plugin_name)
        return found

    def _call(self, impl: pluggy.HookImpl) -> list[Any]:
        contribute = cast(Callable[[], Iterable[Any]], impl.function)
        if self.origins[impl.plugin_name] == "built-in":
            return list(contribute())
        try:
            items = list(contribute())
            for item in items:
                item.name + item.help
            return items
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - third-party code may raise anything
            self.report(f"plugin '{impl.plugin_name}' failed: {_one_line(error)}")
            return []


def load_registry(disabled: Iterable[str] = ()) -> Registry:
    """Load a registry with every third-party plugin, except the disabled ones."""
    manager = pluggy.PluginManager("clsctl")
    manager.add_hookspecs(hookspecs)
    registry = Registry(manager, frozenset(disabled))
    for entry in find_entry_points(GROUP):
        if entry.name not in registry.disabled:
            _load_entry_point(registry, entry)
    return registry


@functools.cache
def default_registry() -> Registry:
    """Return this process's registry; `CLSCTL_DISABLED_PLUGINS` names plugins to leave out."""
    names = os.environ.get("CLSCTL_DISABLED_PLUGINS", "")
    return load_registry(name.strip() for name in names.split(",") if name.strip())


def find_all(registry: Registry) -> dict[str, dict[str, list[str]]]:
    """List what every plugin adds: names by kind, by plugin; third-party plugins last."""
    added: dict[str, dict[str, list[str]]] = {}
    for kind in KINDS:
        for name, found in _contributions_without_paddle(registry, kind).items():
            added.setdefault(found.plugin, {}).setdefault(kind, []).append(name)
    silent = [plugin for plugin in registry.origins if plugin not in added]
    ordered = sorted([*added, *silent], key=lambda p: (registry.origins[p] != "built-in", p))
    return {plugin: added.get(plugin, {}) for plugin in ordered}


def _contributions_without_paddle(registry: Registry, kind: str) -> Mapping[str, Contribution]:
    """Return what plugins add of one kind; networks are written in Paddle, which may be missing."""
    try:
        return registry.contributions(kind)
    except ModuleNotFoundError as error:
        if error.name != "paddle":
            raise
        note(f"{kind} are left out, since PaddlePaddle is not installed")
        return {}


def _load_entry_point(registry: Registry, entry: EntryPoint) -> None:
    origin = entry.distribution
    try:
        registry.register(entry.load(), entry.name, origin)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - third-party code may raise anything
        registry.report(f"plugin '{entry.name}' ({origin}) was not loaded: {_one_line(error)}")


def _command_module(words: Sequence[str]) -> str:
    """Find the built-in module that holds a command; empty where there is none."""
    if not all(word.isidentifier() and not word.startswith("_") for word in words):
        return ""
    module, is_group = f"{BUILTIN}.commands", True
    for word in words:
        module = f"{module}.{word}_" if keyword.iskeyword(word) else f"{module}.{word}"
        found = importlib.util.find_spec(module) if is_group else None
        if found is None:
            return ""
        is_group = found.submodule_search_locations is not None
    return "" if is_group else module


def _misspelt_hooks(plugin: object) -> list[str]:
    known = {f"clsctl_{kind}" for kind in KINDS}
    return sorted(
        name
        for name in dir(plugin)
        if name not in known and hasattr(getattr(plugin, name), "clsctl_impl")
    )


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
