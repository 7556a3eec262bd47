"""The layers of a network by name: a list of them, and what one of them puts out."""

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from embeddings.errors import EmbedderUnavailable

if TYPE_CHECKING:
    from torch import Tensor

_N_NEAR = 5


class Layer(NamedTuple):
    """A module inside a network.

    Attributes
    ----------
    name : dotted
    kind : name of its class
    shape : what it puts out for one image; None where that is no tensor
    n_calls : how often one pass calls it
    """

    name: str
    kind: str
    shape: tuple[int, ...] | None
    n_calls: int


def list_layers(model: Any, shown: "Tensor") -> list[Layer]:
    """Show the network a batch and list the layers that were called, in order of the first call."""
    seen: dict[str, Layer] = {}

    def watch(name: str) -> Any:
        def hook(module: Any, _: Any, output: Any) -> None:
            features = _first(output)
            shape = tuple(features.shape[1:]) if features is not None else None
            n_before = seen[name].n_calls if name in seen else 0
            seen[name] = Layer(name, type(module).__name__, shape, n_before + 1)

        return hook

    handles = [
        module.register_forward_hook(watch(name)) for name, module in model.named_modules() if name
    ]
    try:
        model(shown)
    finally:
        for handle in handles:
            handle.remove()
    return list(seen.values())


def check_layer(layers: list[Layer], name: str) -> None:
    """Raise `EmbedderUnavailable` where a layer cannot be read; it lists near ones."""
    found = {layer.name: layer for layer in layers}
    if name not in found:
        near = difflib.get_close_matches(name, found, n=_N_NEAR, cutoff=0.4)
        near += [one for one in found if one.startswith(name) and one not in near]
        raise EmbedderUnavailable(
            f"the network has no layer {name!r} that an image passes",
            f"near: {', '.join((near or list(found))[:_N_NEAR])}; layer=? lists all",
        )
    if found[name].n_calls > 1:
        raise EmbedderUnavailable(
            f"layer {name!r} is used {found[name].n_calls} times in a pass",
            "name the layer around it; layer=? lists all",
        )
    if found[name].shape is None:
        raise EmbedderUnavailable(
            f"layer {name!r} puts out no tensor", "name a layer inside it; layer=? lists all"
        )


def read_layer(model: Any, name: str | None, shown: "Tensor") -> "Tensor":
    """Return what a layer puts out for a batch; None: what the network itself puts out.

    The pass ends at the layer: what comes after it is not computed. Of several outputs the first
    is taken.
    """
    if name is None:
        return _tensor(model(shown), "the network")

    def stop(module: Any, inputs: Any, output: Any) -> None:
        raise _Reached(output)

    handle = model.get_submodule(name).register_forward_hook(stop)
    try:
        model(shown)
    except _Reached as reached:
        return _tensor(reached.output, f"layer {name!r}")
    finally:
        handle.remove()
    raise EmbedderUnavailable(f"an image does not pass layer {name!r}", "name another")


class _Reached(Exception):
    """Ends a pass at the layer that was asked for."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output


def _tensor(output: Any, what: str) -> "Tensor":
    features = _first(output)
    if features is None:
        raise EmbedderUnavailable(
            f"{what} puts out {type(output).__name__}, not a tensor with an axis for the samples",
            "name a layer inside it; layer=? lists all",
        )
    return features


def _first(output: Any) -> "Tensor | None":
    """Return the tensor, or the first of a tuple of them."""
    import torch

    if isinstance(output, tuple | list) and output:
        output = output[0]
    has_features = isinstance(output, torch.Tensor) and output.ndim >= 2
    return output if has_features else None
