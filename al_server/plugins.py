"""Names to objects: strategies, embedders and integrations, ours and other people's."""

from collections.abc import Mapping
from typing import Any, Final

from al_server.errors import UnknownPlugin
from strategies import named
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
    return named.names(group, BUILTIN[group])


def load(group: str, name: str) -> Any:
    """Import what a name stands for: ours, or else an installed entry point of the group.

    Raises
    ------
    UnknownPlugin
        If nothing has that name; it lists the known ones, the nearest first.
    """
    try:
        return named.load(group, BUILTIN[group], name, noun=NOUNS[group])
    except named.UnknownName as error:
        raise UnknownPlugin(error.told, f"known: {error.known}") from error
