"""The network that learns: our small one or any of timm, random or with weights to start from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from embeddings.errors import EmbedderUnavailable
from embeddings.self_supervised.small_network import small_network
from embeddings.timm_network import build_timm, untrained_timm
from embeddings.timm_options import BUILD, TimmOptions, parse
from embeddings.timm_weights import check_model_name
from embeddings.torchvision_cure import cure_torchvision

SMALL = "small"
"""Name of our own network; ``small:32`` sets its width."""
_DEFAULT_WIDTH = 16  # 32 learns less in the same minutes without a GPU
_BUILT_WITH = {*BUILD, "img_size", "patch_size"}
_SMALL_IMAGE = 64
"""Images up to this many pixels a side get a stem without strides."""
_CELLS = 4
"""Cells a side of the last feature map that are enough."""
_PATCHES = 8
"""Patches a side that a transformer should see."""
FROM_HUB = "hub"


class Backbone(NamedTuple):
    """A network, and what it is to be shown.

    Attributes
    ----------
    network : torch.nn.Module, float32 (n, 3, image_size, image_size) -> (n, n_features)
    preprocessing : entries of timm's data configuration: input_size, mean, std, ...
    recipe : dict of plain values that `rebuild` builds the same network from
    """

    network: Any
    preprocessing: dict[str, Any]
    recipe: dict[str, Any]

    @property
    def image_size(self) -> int:
        """Pixels a side."""
        size: int = self.preprocessing["input_size"][-1]
        return size

    @property
    def takes_one_size(self) -> bool:
        """Whether it is a transformer, with a place for each patch."""
        return hasattr(self.network, "patch_embed")


def build(
    name: str, *, image_size: int | None, start: str | Path | None, seed: int = 0
) -> Backbone:
    """Build a network that embeds images.

    Parameters
    ----------
    name : ``small``, ``small:WIDTH``, or a timm network as `timm_options.parse` reads it
    image_size : pixels a side; None: what the network was made for, 32 for ``small``
    start : a file of weights, ``"hub"`` for those of the model hub, or None for random ones
    seed : of the random ones

    Raises
    ------
    EmbedderUnavailable
        If there is no such network, the weights do not fit, or it gives no vectors.
    """
    cure_torchvision()
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if name.partition(":")[0] == SMALL:
            return _small(name, image_size=image_size or 32, start=start)
        return _of_timm(name, image_size, start)


def _of_timm(name: str, image_size: int | None, start: str | Path | None) -> Backbone:
    options = parse(name)
    check_model_name(options.model)
    if start is not None:
        network, options = build_timm(options, None if start == FROM_HUB else Path(start))
        adapted: dict[str, Any] = {}
    else:
        options, adapted = _suited(options, image_size)
        network = untrained_timm(options)
        _relax(network, adapted.get("strides", ()))
    preprocessing = _preprocessing(network, options, image_size)
    recipe = {"name": options.model, "build": options.build, **adapted}
    backbone = Backbone(network, preprocessing, recipe)
    _check(backbone)
    return backbone


def rebuild(recipe: dict[str, Any]) -> Any:
    """Build the network of a recipe, with random weights to be replaced.

    Raises
    ------
    EmbedderUnavailable
        If the timm that is installed cannot build it.
    """
    cure_torchvision()
    if "width" in recipe:
        return small_network(recipe["width"])
    check_model_name(recipe["name"])
    unknown = sorted(recipe["build"].keys() - _BUILT_WITH)
    if unknown:  # timm would read files and import what others name
        raise EmbedderUnavailable(
            f"the network is to be built with {', '.join(unknown)}, which no training here writes",
            "restore the folder from a copy",
        )
    network = untrained_timm(TimmOptions(recipe["name"], recipe["build"], {}))
    _relax(network, recipe.get("strides", ()))
    return network


def _small(name: str, *, image_size: int, start: str | Path | None) -> Backbone:
    width = name.partition(":")[2] or str(_DEFAULT_WIDTH)
    if not (width.isascii() and width.isdigit() and 4 <= int(width) <= 512):
        raise EmbedderUnavailable(
            f"{name!r} is no width of the small network", "write small:32; 4 to 512 are taken"
        )
    if start is not None:
        raise EmbedderUnavailable(
            "the small network has no trained weights to start from",
            "leave --from out, or name the timm network of the weights with --backbone",
        )
    preprocessing = {
        "input_size": (3, image_size, image_size),
        "mean": (0.5, 0.5, 0.5),
        "std": (0.25, 0.25, 0.25),
        "crop_pct": 1.0,
        "interpolation": "bicubic",
    }
    return Backbone(small_network(int(width)), preprocessing, {"width": int(width)})


def _suited(options: TimmOptions, image_size: int | None) -> tuple[TimmOptions, dict[str, Any]]:
    """Choose what to change about a random network so that small images do not shrink to a dot."""
    import torch

    network = untrained_timm(options)
    size = image_size or _input_size(network, options)
    if getattr(network, "patch_embed", None) is not None:
        patch = max(2, min(16, size // _PATCHES))
        changed = {**options.build, "img_size": size, "patch_size": patch}
        return TimmOptions(options.model, changed, options.preprocessing), {}
    if size > _SMALL_IMAGE:
        return options, {}
    return options, {"strides": _relax_stem(network.eval(), torch.zeros(1, 3, size, size))}


def _relax_stem(network: Any, sample: Any) -> list[str]:
    """Take strides away from the front until the last feature map has cells; return whose."""
    relaxed: list[str] = []
    for name, layer in network.named_modules():
        if not hasattr(layer, "kernel_size") or layer.stride in (1, (1, 1)):
            continue
        if _finest(network, sample) >= _CELLS:
            break
        before = layer.stride
        _relax(network, [name])
        try:
            _finest(network, sample)
        except RuntimeError:  # the shortcut beside it kept its stride
            layer.stride = before
        else:
            relaxed.append(name)
    return relaxed


def _relax(network: Any, names: Sequence[str]) -> None:
    """Take the strides of some layers away."""
    for name in names:
        layer = network.get_submodule(name)
        layer.stride = (1, 1) if isinstance(layer.stride, tuple) else 1


def _finest(network: Any, sample: Any) -> int:
    """Return the cells a side of the last feature map."""
    import torch

    with torch.no_grad():
        return int(network.forward_features(sample).shape[-1])


def _input_size(network: Any, options: TimmOptions) -> int:
    asked = options.preprocessing.get("input_size") or network.pretrained_cfg["input_size"]
    return int(asked[-1])


def _preprocessing(network: Any, options: TimmOptions, image_size: int | None) -> dict[str, Any]:
    """Return the whole data configuration, plain values only."""
    from timm.data.config import resolve_data_config

    asked = dict(options.preprocessing)
    if image_size is not None:
        asked["input_size"] = (3, image_size, image_size)
    config = resolve_data_config(asked, model=network)  # type: ignore[no-untyped-call]
    if image_size is not None and image_size <= _SMALL_IMAGE:
        config["crop_pct"] = 1.0  # a margin of four pixels more or less is a lot of so few
    return dict(config)


def _check(backbone: Backbone) -> None:
    """Try the network on a black image."""
    import torch

    network, size = backbone.network.eval(), backbone.image_size
    try:
        with torch.no_grad():
            features = network(torch.zeros(1, 3, size, size))
    except (RuntimeError, AssertionError) as error:
        raise EmbedderUnavailable(
            f"{backbone.recipe['name']} does not take images of {size} x {size}: {error}",
            "give another --image-size",
        ) from error
    if features.ndim != 2:
        raise EmbedderUnavailable(
            f"{backbone.recipe['name']} gives an array of shape {tuple(features.shape)} for an "
            "image, not a vector",
            "choose a network that ends in a pooling layer",
        )
