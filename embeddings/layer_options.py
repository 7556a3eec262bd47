"""The name of a layer embedder, taken apart: a network, one of its layers, how to pool it."""

from typing import Any, NamedTuple

from embeddings.feature_pooling import POOLS, Channels, Pool
from embeddings.network_source import NetworkSource, parse_source
from embeddings.sketch import DEFAULT_N_SKETCH
from embeddings.timm_options import BUILD, PREPROCESSING, Known, one_of, read_query


class LayerOptions(NamedTuple):
    """A network, and what is read of it.

    Attributes
    ----------
    source : where the network comes from
    layer : dotted name of a module in it; None: its own output; "": list them
    pool, channels : see `feature_pooling.pool_features`
    n_sketch : longest vector of ``pool=flat``, see `sketch.CountSketch`
    build : arguments of `timm.create_model`
    preprocessing : entries of timm's data configuration
    """

    source: NetworkSource
    layer: str | None
    pool: Pool
    channels: Channels | None
    n_sketch: int
    build: dict[str, Any]
    preprocessing: dict[str, Any]


def _n_sketch(text: str) -> int:
    if not 16 <= int(text) <= 65_536:
        raise ValueError
    return int(text)


def _layer(text: str) -> str:
    return "" if text == "?" else text


_LAYER: Known = {
    "layer": (_layer, "a dotted name, or ? for a list of them"),
    "pool": (one_of(*POOLS), ", ".join(POOLS)),
    "channels": (one_of("first", "last"), "first or last"),
    "sketch": (_n_sketch, "features, 16..65536"),
}


def parse(name: str) -> LayerOptions:
    """Take a name apart: ``SOURCE?layer=blocks.5&pool=avg``.

    Further keys are ``channels``, ``sketch`` and those of `timm_options.parse`.

    Raises
    ------
    EmbedderUnavailable
        If the source is no source, or a key or a value is unknown.
    """
    place, _, query = name.partition("?")
    source = parse_source(place)
    # what a network of one's own is built with is its own business
    build = BUILD if source.kind == "timm" else {}
    read, built, preprocessing = read_query(query, _LAYER, build, PREPROCESSING, of=f"layer:{name}")
    return LayerOptions(
        source,
        read.get("layer"),
        read.get("pool", "avg"),
        read.get("channels"),
        read.get("sketch", DEFAULT_N_SKETCH),
        built,
        preprocessing,
    )
