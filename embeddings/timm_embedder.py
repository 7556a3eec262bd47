"""Any network of timm, by name, with weights from the model hub or from a local file."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embeddings.embedder import Item
from embeddings.errors import EmbedderUnavailable
from embeddings.timm_options import TimmOptions, parse
from embeddings.timm_weights import (
    check_model_name,
    check_trained,
    download_model,
    fit_checkpoint,
    has_folded_batch_norms,
    read_checkpoint,
)
from embeddings.torchvision_cure import cure_torchvision

log = logging.getLogger(__name__)

_FOLDED_BUILD = {"pad_type": "same"}
_FOLDED_PREPROCESSING = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


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
    A checkpoint in which every batch norm is the identity was converted from TensorFlow, where the
    batch norms of a network to be deployed are folded into its convolutions. Such networks were
    trained with TensorFlow's padding and pixel range, so ``pad_type=same``, ``mean=0.5`` and
    ``std=0.5`` hold for them unless `name` says otherwise.
    """

    content: Literal["image", "text"] = "image"

    def __init__(self, name: str, *, checkpoint: Path | None = None) -> None:
        cure_torchvision()
        import torch
        from timm.data.config import resolve_data_config
        from timm.data.transforms_factory import create_transform

        options = parse(name)
        check_model_name(options.model)
        model, options = _build(options, checkpoint)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = model.eval().to(self._device)
        config = resolve_data_config(options.preprocessing, model=model)  # type: ignore[no-untyped-call]
        # with use_prefetcher the transform ends at uint8 pixels
        self._transform = create_transform(**config, is_training=False, use_prefetcher=True)
        self._size = config["input_size"][2], config["input_size"][1]
        self._mean, self._std = (
            torch.tensor(config[key], device=self._device).view(1, 3, 1, 1)
            for key in ("mean", "std")
        )
        # on CPUs small batches stay in the cache: 4 beat 8 and 16 in every run on 2 cores
        self.batch_size = 128 if self._device == "cuda" else 4
        self.n_features = self._probe(options.model)
        described = f"{options.build}{sorted(config.items())}{_fingerprint(model)}"
        self.id = f"timm:{options.model}:{hashlib.sha256(described.encode()).hexdigest()[:16]}"

    @classmethod
    def create(
        cls, name: str, *, checkpoint: Path | None, sample: Sequence[Item], state_dir: Path | None
    ) -> Self:
        """Make the embedder for a campaign; nothing is fitted, `sample` is not looked at."""
        return cls(name, checkpoint=checkpoint)

    def shrink(self, image: Image.Image) -> Image.Image:
        """Resize and crop to the network's input size."""
        if image.size == self._size:
            return image
        pixels = np.asarray(self._transform(image))  # uint8, (3, height, width)
        return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))

    def embed_batch(self, items: Sequence[Image.Image | str]) -> NDArray[np.float32]:
        """Return the pooled features of RGB images; see `Embedder`."""
        import torch

        pixels = np.stack([np.asarray(self.shrink(i)) for i in items if isinstance(i, Image.Image)])
        features = self._forward(torch.from_numpy(pixels).permute(0, 3, 1, 2))
        norms = np.linalg.norm(features, axis=1, keepdims=True)
        return np.asarray(features / np.where(norms == 0, 1, norms), dtype=np.float32)

    def _forward(self, pixels: Any) -> NDArray[np.float32]:
        import torch

        # 10-bit products would make vectors differ between machines by 1e-3
        with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
            shown = (pixels.to(self._device).float().div_(255) - self._mean) / self._std
            features: NDArray[np.float32] = self._model(shown).float().cpu().numpy()
        return features

    def _probe(self, model: str) -> int:
        """Count the features of a black image: what timm says of itself depends on the network."""
        import torch

        width, height = self._size
        try:
            shape = self._forward(torch.zeros((1, 3, height, width), dtype=torch.uint8)).shape
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


def _build(options: TimmOptions, checkpoint: Path | None) -> tuple[Any, TimmOptions]:
    """Return the network with its weights, and the options that hold for these."""
    import timm

    if checkpoint is None:
        return download_model(options.model, options.build), options
    weights = read_checkpoint(checkpoint)
    check_trained(weights, source=checkpoint.name)
    if has_folded_batch_norms(weights):
        options = TimmOptions(
            options.model,
            {**_FOLDED_BUILD, **options.build},
            {**_FOLDED_PREPROCESSING, **options.preprocessing},
        )
        log.info("%s was converted from TensorFlow (its batch norms are folded): using %s, %s",
                 checkpoint.name, options.build, options.preprocessing)  # fmt: skip
    try:
        model = timm.create_model(options.model, pretrained=False, num_classes=0, **options.build)
    except TypeError as error:
        raise EmbedderUnavailable(
            f"timm:{options.model} cannot be built with {options.build}",
            "choose the network by the name it was trained under",
        ) from error
    fit_checkpoint(model, weights, source=checkpoint.name)
    return model, options


def _fingerprint(model: Any) -> str:
    """Hash the weights: the same file under another name is the same embedder."""
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.cpu().float().numpy().tobytes())
    return digest.hexdigest()
