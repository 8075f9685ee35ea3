"""Find the writer that gives an output its format."""

from __future__ import annotations

from pathlib import Path

from clsctl.errors import UsageError
from clsctl.paths import exists, is_dir, is_file
from clsctl.plugin.descriptors import Writer
from clsctl.plugin.registry import default_registry


def find_writer(
    name: str | None = None, output: Path | None = None, folder: bool = False
) -> Writer:
    """Return the writer of that name, or of the output's suffix, or else the default one.

    Args:
        folder: The output is a folder, which no terminal shows.

    Raises:
        UsageError: There is no writer of that name (`E_WRITER_UNKNOWN`).
    """
    registry = default_registry()
    chosen = name or suffix_format(output)
    if chosen:
        writer: Writer = registry.get("writers", chosen)
        return writer
    writers: dict[str, Writer] = registry.items("writers")
    able = [writer for writer in writers.values() if writer.for_terminals != folder]
    return max(able, key=lambda writer: writer.priority)


def require_format(output: Path, name: str | None) -> None:
    """Refuse an output that is a folder, or whose format neither a name nor its suffix says.

    Args:
        name: Of a writer, where one was named. A device or a named pipe needs none.

    Raises:
        UsageError: It is one of these (`E_OUTPUT_FORMAT`).
    """
    example = find_writer(folder=True).name
    suffixes = ", ".join(f".{writer}" for writer in default_registry().items("writers"))
    if is_dir(output):
        raise UsageError(
            f"results are written to one file, and {output} is a folder",
            code="E_OUTPUT_FORMAT",
            hint=f"name a file in it, such as {output / 'results'}.{example}; suffixes: {suffixes}",
        )
    if name or suffix_format(output) or (exists(output) and not is_file(output)):
        return
    raise UsageError(
        f"{output} says no format by its suffix; there are {suffixes}",
        code="E_OUTPUT_FORMAT",
        hint=f"choose such a suffix, as in {output.stem}.{example}, or say --format",
    )


def suffix_format(output: Path | None) -> str | None:
    """Return the name of the writer that is called like the file's suffix."""
    suffix = output.suffix.lower().removeprefix(".") if output else ""
    return suffix if suffix in default_registry().items("writers") else None
