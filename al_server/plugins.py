"""Names to objects: strategies, embedders and integrations, ours and other people's."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final

from al_server.errors import UnknownPlugin
from strategies.shelf import SHELF

STRATEGIES: Final = "al_server.strategies"
EMBEDDERS: Final = "al_server.embedders"
INTEGRATIONS: Final = "al_server.integrations"

DEFAULT_STRATEGY: Final = "mass"

# "module:attribute", imported only when asked for
BUILTIN: Final[Mapping[str, Mapping[str, str]]] = {
    STRATEGIES: {name: entry.target for name, entry in SHELF.items()},
    EMBEDDERS: {
        "pixels": "embeddings.pixel_embedder:PixelEmbedder",
        "tfidf": "embeddings.tfidf_embedder:TfidfEmbedder",
        "timm": "embeddings.timm_embedder:TimmEmbedder",
        "layer": "embeddings.layer_embedder:LayerEmbedder",
        "text": "embeddings.text_embedder:TextEmbedder",
        "ssl": "embeddings.self_supervised.embedder:SelfSupervisedEmbedder",
    },
    INTEGRATIONS: {
        "label_studio": "integrations.label_studio.integration:LabelStudioIntegration",
        "ray": "integrations.ray:RayIntegration",
    },
}
NOUNS: Final = {STRATEGIES: "strategy", EMBEDDERS: "embedder", INTEGRATIONS: "integration"}


def names(group: str) -> list[str]:
    """List every name that `load` knows in a group, ours first."""
    others = {entry.name for entry in entry_points(group=group)} - BUILTIN[group].keys()
    return [*BUILTIN[group], *sorted(others)]


def load(group: str, name: str) -> Any:
    """Import what a name stands for: ours, or else an installed entry point of the group.

    Raises
    ------
    UnknownPlugin
        If nothing has that name; it lists the known ones, the nearest first.
    """
    if name in BUILTIN[group]:
        module, _, attribute = BUILTIN[group][name].partition(":")
        return getattr(import_module(module), attribute)
    for entry in entry_points(group=group, name=name):
        return entry.load()
    known = names(group)
    near = get_close_matches(name, known, n=len(known), cutoff=0.5)
    listed = ", ".join([*near, *(other for other in known if other not in near)]) or "none"
    raise UnknownPlugin(f"no {NOUNS[group]} is called {name!r}", f"known: {listed}")
