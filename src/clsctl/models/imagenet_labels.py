"""Read the class names of ImageNet-1k."""

from __future__ import annotations

from importlib import resources


def imagenet_labels() -> tuple[str, ...]:
    """Read the 1,000 class names of ILSVRC 2012 by class id: the lemmas of each WordNet synset."""
    text = (resources.files("clsctl") / "labels" / "imagenet.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())
