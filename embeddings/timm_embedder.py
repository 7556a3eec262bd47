"""Any network of timm, by name, with weights from the model hub or from a local file."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embeddings.batch_trial import BatchShape
from embeddings.embedder import Item
from embeddings.errors import EmbedderUnavailable
from embeddings.image_network import ImageNetwork, fingerprint, unit_rows
from embeddings.out_of_memory import halving
from embeddings.timm_network import build_timm
from embeddings.timm_options import parse
from embeddings.torchvision_cure import cure_torchvision


class TimmEmbedder:
    """Pooled features of a timm network, seen through the network's own preprocessing.

    An image that already has the network's input size is taken as it is; any other is resized and
    cropped as the network's configuration says. Runs on CUDA where torch finds it.

    Parameters
    ----------
    name : str
        A timm network, and what is to be changed about it: ``mobilenetv2_100`` or
        ``mobilenetv2_100?pad_type=same&mean=0.5&std=0.5``; see `timm_options.parse`.
    checkpoint : Path, optional
        A file of weights (.pth, .safetensors); without it they come from the model hub, or from
        what was downloaded before.

    Raises
    ------
    EmbedderUnavailable
        If there are no trained weights, or they do not fit. There is no random network.

    Notes
    -----
    Weights that were converted from TensorFlow are seen to be, and shown what TensorFlow shows: see
    `timm_network.build_timm`.
    """

    content: Literal["image", "text"] = "image"

    def __init__(self, name: str, *, checkpoint: Path | None = None) -> None:
        cure_torchvision()
        model, options = build_timm(parse(name), checkpoint)
        self._network = ImageNetwork(model, options.preprocessing)
        self._features = halving(
            lambda images: self._network.run(images, self._network.model),
            what=f"timm:{options.model}",
        )
        self.machine = self._network.machine
        self.on_cpu = self._network.on_cpu
        self.n_features = self._probe(options.model)
        config = sorted(self._network.config.items())
        described = f"{options.build}{config}{fingerprint(model)}"
        self.id = f"timm:{options.model}:{hashlib.sha256(described.encode()).hexdigest()[:16]}"

    @classmethod
    def create(
        cls, name: str, *, checkpoint: Path | None, sample: Sequence[Item], state_dir: Path | None
    ) -> Self:
        """Make the embedder for a campaign; nothing is fitted, `sample` is not looked at."""
        return cls(name, checkpoint=checkpoint)

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
        """Return the pooled features of RGB images; see `Embedder`."""
        return unit_rows(self._features([item for item in items if isinstance(item, Image.Image)]))

    def _probe(self, model: str) -> int:
        """Count the features of a black image: what timm says of itself depends on the network."""
        width, height = self._network.size
        try:
            shape = self._features([self._network.black()]).shape
        except (RuntimeError, AssertionError) as error:
            raise EmbedderUnavailable(
                f"timm:{model} does not take images of {width} x {height}: {error}",
                "leave input_size out",
            ) from error
        if len(shape) != 2:
            raise EmbedderUnavailable(
                f"timm:{model} gives an array of shape {shape} for an image, not a vector",
                "choose a network that ends in a pooling layer",
            )
        return int(shape[1])
