"""Any layer of any network that looks at images."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embeddings import network_source
from embeddings.batch_trial import BatchShape
from embeddings.embedder import Item
from embeddings.errors import EmbedderUnavailable
from embeddings.feature_pooling import pool_features
from embeddings.image_network import ImageNetwork, fingerprint, unit_rows
from embeddings.layer_options import LayerOptions, parse
from embeddings.network_layers import Layer, check_layer, list_layers, read_layer
from embeddings.out_of_memory import halving
from embeddings.sketch import SEED, CountSketch
from embeddings.timm_network import build_timm, untrained_timm
from embeddings.timm_options import TimmOptions
from embeddings.timm_weights import check_model_name
from embeddings.torchvision_cure import cure_torchvision

if TYPE_CHECKING:
    from torch import Tensor


class LayerEmbedder:
    """What one layer of a network says of an image, pooled to a vector.

    Parameters
    ----------
    name : str
        A network and what is read of it: ``timm/MODEL?layer=blocks.5`` is a timm network behind
        its own preprocessing; ``FILE.py:FACTORY?layer=...`` and
        ``package.module:FACTORY?layer=...`` call FACTORY, a function without arguments or a class,
        for a `torch.nn.Module`. Without ``layer`` the network's own output is taken; ``layer=?``
        lists the layers. ``pool`` is avg, max, gem or flat; a flat layer of more than ``sketch``
        (2048) numbers is reduced to that many as it comes, see `CountSketch`. Preprocessing: see
        `timm_options.parse`; a network of one's own may say it itself, in an attribute
        `pretrained_cfg` as timm's have it.
    checkpoint : Path, optional
        Weights for the network (.pth, .safetensors).

    Raises
    ------
    EmbedderUnavailable
        If there are no trained weights, they do not fit, or there is no such layer.

    Notes
    -----
    Files and packages are run. A server asks `check_allowed` before it calls `create`.

    The `id` covers weights, structure, the file that FACTORY stands in, layer, pooling, sketch and
    preprocessing; not the files that this file imports.
    """

    content: Literal["image", "text"] = "image"

    def __init__(self, name: str, *, checkpoint: Path | None = None) -> None:
        cure_torchvision()
        options = parse(name)
        if options.layer == "":
            _tell_layers(options)
        self._options = options
        model, preprocessing, described = _load(options, checkpoint)
        self._network = ImageNetwork(model, preprocessing)
        self.machine = self._network.machine
        self.on_cpu = self._network.on_cpu
        if options.layer is not None:
            check_layer(_layers(self._network), options.layer)
        width = _try(self._network, self._pooled).shape[1]
        self._sketch = CountSketch(width, options.n_sketch) if options.pool == "flat" else None
        self._features = halving(
            lambda images: self._network.run(images, self._read), what=f"layer:{name}"
        )
        self.n_features = int(self._sketch.n_sketch if self._sketch else width)
        self.id = self._name(described)

    @classmethod
    def create(
        cls, name: str, *, checkpoint: Path | None, sample: Sequence[Item], state_dir: Path | None
    ) -> Self:
        """Make the embedder for a campaign; nothing is fitted, `sample` is not looked at."""
        return cls(name, checkpoint=checkpoint)

    @staticmethod
    def check_allowed(name: str, allowed: Sequence[str]) -> None:
        """Raise `EmbedderUnavailable` where `create(name)` would run code that is not allowed.

        Nothing is loaded. `allowed`: see `network_source.check_allowed`.
        """
        network_source.check_allowed(parse(name).source, allowed)

    @property
    def batch_size(self) -> int:
        """Images a pass, as set or as they suit the device."""
        return self._network.batch_size

    def batch_shapes(self) -> Sequence[BatchShape]:
        """Return the shapes of a batch that are worth a trial; see `batch_trial.Tunable`."""
        return self._network.batch_shapes()

    def set_batch_shape(self, shape: BatchShape) -> None:
        """Expect batches of this shape."""
        self._network.set_batch_shape(shape)

    def shrink(self, image: Image.Image) -> Image.Image:
        """Resize and crop to the network's input size."""
        return self._network.shrink(image)

    def embed_batch(self, items: Sequence[Image.Image | str]) -> NDArray[np.float32]:
        """Return the layer's pooled features of RGB images; see `Embedder`."""
        return unit_rows(self._features([item for item in items if isinstance(item, Image.Image)]))

    def _read(self, shown: "Tensor") -> "Tensor":
        pooled = self._pooled(shown)
        return pooled if self._sketch is None else self._sketch(pooled)

    def _pooled(self, shown: "Tensor") -> "Tensor":
        options = self._options
        model = self._network.model
        # timm's networks say it where their maps have the channels last
        last = getattr(model, "output_fmt", None) == "NHWC"
        channels = options.channels or ("last" if last else None)
        features = read_layer(model, options.layer, shown)
        return pool_features(features, options.pool, channels=channels)

    def _name(self, described: str) -> str:
        options = self._options
        sketch = (self._sketch.n_sketch, SEED) if self._sketch and self._sketch.is_needed else None
        config = sorted(self._network.config.items())
        whole = f"{described}{options.layer}{options.pool}{options.channels}{sketch}{config}"
        short = f"{options.source.factory or options.source.place}.{options.layer or 'output'}"
        return f"layer:{short}.{options.pool}:{hashlib.sha256(whole.encode()).hexdigest()[:16]}"


def _load(options: LayerOptions, checkpoint: Path | None) -> tuple[Any, dict[str, Any], str]:
    """Return a trained network, its preprocessing, and a text that tells it from others."""
    source = options.source
    if source.kind == "timm":
        asked = TimmOptions(source.place, options.build, options.preprocessing)
        model, found = build_timm(asked, checkpoint)
        return model, found.preprocessing, f"{found.model}{found.build}{fingerprint(model)}"
    own = network_source.load_network(source, checkpoint)
    return own.model, options.preprocessing, f"{own.code}{own.model}{fingerprint(own.model)}"


def _layers(network: ImageNetwork) -> list[Layer]:
    """List the layers by the way of a black image."""
    layers: list[Layer] = []

    def look(shown: "Tensor") -> "Tensor":
        layers.extend(list_layers(network.model, shown))
        return shown

    _try(network, look)
    return layers


def _try(network: ImageNetwork, read: Any) -> NDArray[np.float32]:
    """Show the network a black image; say so where it does not take it."""
    width, height = network.size
    try:
        return network.run([network.black()], read)
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        raise EmbedderUnavailable(
            f"the network does not take images of {width} x {height}: {error}",
            "give its size with input_size=PIXELS",
        ) from error


def _tell_layers(options: LayerOptions) -> NoReturn:
    """List the layers, for which no trained weights are needed."""
    source = options.source
    if source.kind == "timm":
        check_model_name(source.place)
        model = untrained_timm(TimmOptions(source.place, options.build, {}))
    else:
        model = network_source.untrained_network(source)
    network = ImageNetwork(model, options.preprocessing)
    lines = [
        f"{layer.name}  {layer.kind}  {' x '.join(map(str, layer.shape or ('no tensor',)))}"
        for layer in _layers(network)
    ]
    raise EmbedderUnavailable(
        "\n".join([f"layers of {source.factory or source.place}:", *lines]), "name one of them"
    )
