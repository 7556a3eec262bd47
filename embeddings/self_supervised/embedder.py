"""Networks that `al-server ssl train` has trained, as embedders: `ssl:FOLDER`."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embeddings.embedder import Item
from embeddings.errors import EmbedderUnavailable
from embeddings.image_network import ImageNetwork, fingerprint, unit_rows
from embeddings.out_of_memory import halving
from embeddings.self_supervised.trained import read_trained
from embeddings.torchvision_cure import cure_torchvision

_SMALL_IMAGE = 64


class SelfSupervisedEmbedder:
    """Features of a network that was trained on images without labels.

    Parameters
    ----------
    folder : Path
        What `al-server ssl train` wrote.

    Raises
    ------
    EmbedderUnavailable
        If there is no trained network in the folder, or it is damaged.
    """

    content: Literal["image", "text"] = "image"

    def __init__(self, folder: Path) -> None:
        cure_torchvision()
        trained = read_trained(folder)
        self._network = ImageNetwork(trained.encoder, trained.preprocessing)
        self._reduction = trained.reduction
        self._features = halving(
            lambda images: self._network.run(images, self._network.model), what=f"ssl:{folder}"
        )
        # networks for large images are quickest in batches that stay in the cache
        is_small = max(self._network.size) <= _SMALL_IMAGE
        self.batch_size = 128 if is_small else self._network.batch_size
        self.n_features = self.embed_batch([self._network.black()]).shape[1]
        shown = json.dumps(trained.preprocessing, sort_keys=True)
        reduced = "" if self._reduction is None else self._reduction.id
        described = f"{shown}{fingerprint(trained.encoder)}{reduced}"
        self.id = f"ssl:{hashlib.sha256(described.encode()).hexdigest()[:16]}"

    @classmethod
    def create(
        cls, name: str, *, checkpoint: Path | None, sample: Sequence[Item], state_dir: Path | None
    ) -> Self:
        """Make the embedder ``ssl:FOLDER`` for a campaign; `sample` is not looked at.

        Raises
        ------
        EmbedderUnavailable
            If no folder is named, or a checkpoint: the folder holds the weights.
        """
        if not name:
            raise EmbedderUnavailable("ssl needs the folder of a training", "write ssl:FOLDER")
        if checkpoint is not None:
            raise EmbedderUnavailable(
                f"ssl:{name} takes its weights from the folder, not from {checkpoint.name}",
                "leave the checkpoint out",
            )
        return cls(Path(name).expanduser())

    @staticmethod
    def local_path(name: str) -> Path | None:
        """Return the folder that is read; see `TextEmbedder.local_path`."""
        return Path(name) if name else None

    def shrink(self, image: Image.Image) -> Image.Image:
        """Resize and crop to the network's input size."""
        return self._network.shrink(image)

    def embed_batch(self, items: Sequence[Image.Image | str]) -> NDArray[np.float32]:
        """Return the features of RGB images, reduced where the training said so."""
        images = [item for item in items if isinstance(item, Image.Image)]
        vectors = unit_rows(self._features(images))
        return vectors if self._reduction is None else self._reduction.apply(vectors)
