"""A network that looks at images: what it is shown, and where it runs."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embeddings.batch_trial import BatchShape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


class ImageNetwork:
    """A network behind its preprocessing, on CUDA where torch finds it.

    An image that already has the network's input size is taken as it is; any other is resized and
    cropped as the configuration says.

    Parameters
    ----------
    model : torch.nn.Module
        Set to evaluation and moved to the device.
    preprocessing : mapping
        Entries of timm's data configuration; the others come from `model.pretrained_cfg` where it
        has one, else they are ImageNet's: 224 pixels, its mean and deviation.

    Attributes
    ----------
    size : (width, height) that the network sees
    config : dict, the whole data configuration
    batch_size : int, images a pass that suit the device
    machine : str, the device, as `batch_trial.Tunable` wants it named
    on_cpu : bool, whether the device is the processor
    """

    def __init__(self, model: Any, preprocessing: Mapping[str, Any]) -> None:
        import torch
        from timm.data.config import resolve_data_config
        from timm.data.transforms_factory import create_transform

        self._layout = torch.contiguous_format
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self.on_cpu = self._device == "cpu"
        self.model = model.eval().to(self._device)
        self.config: dict[str, Any] = resolve_data_config(dict(preprocessing), model=model)  # type: ignore[no-untyped-call]
        # with use_prefetcher the transform ends at uint8 pixels
        self._transform = create_transform(**self.config, is_training=False, use_prefetcher=True)
        self.size: tuple[int, int] = (self.config["input_size"][2], self.config["input_size"][1])
        mean, std = (torch.tensor(self.config[key], device=self._device) for key in ("mean", "std"))
        # of a whole line of pixels: twice as fast as three numbers for each
        self._scale = (1 / (255 * std)).repeat(self.size[0])
        self._shift = (-mean / std).repeat(self.size[0])
        # on CPUs small batches stay in the cache: 4 beat 8 and 16 in every run on 2 cores
        self.batch_size = 128 if self._device == "cuda" else 4
        self.machine = (
            torch.cuda.get_device_name()
            if self._device == "cuda"
            else f"cpu, {torch.get_num_threads()} threads"
        )

    def batch_shapes(self) -> list[BatchShape]:
        """Return the shapes of a batch that are worth a trial; see `batch_trial.Tunable`."""
        powers = range(4, 10) if self._device == "cuda" else range(7)
        return [BatchShape(2**power, last) for last in (False, True) for power in powers]

    def set_batch_shape(self, shape: BatchShape) -> None:
        """Expect batches of this size, and lay pixels and weights out for it."""
        import torch

        layout = torch.channels_last if shape.channels_last else torch.contiguous_format
        self.batch_size = shape.size
        self._layout = layout
        self.model.to(memory_format=layout)

    def shrink(self, image: Image.Image) -> Image.Image:
        """Resize and crop an RGB image to the network's input size."""
        if image.size == self.size:
            return image
        pixels = np.asarray(self._transform(image))  # uint8, (3, height, width)
        return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))

    def black(self) -> Image.Image:
        """Return an image of the network's input size, to try the network with."""
        return Image.new("RGB", self.size)

    def run(
        self, images: Sequence[Image.Image], read: "Callable[[Tensor], Tensor]"
    ) -> NDArray[np.float32]:
        """Show RGB images to the network.

        Parameters
        ----------
        images : sequence of RGB images of any size
        read : callable, float32 tensor of shape (n, 3, height, width) -> tensor of any shape
            The network itself, or what looks into it.

        Returns
        -------
        float32 array of the shape that `read` returns
        """
        with _inference():
            features: NDArray[np.float32] = read(self._show(images)).float().cpu().numpy()
        return features

    def _show(self, images: Sequence[Image.Image]) -> "Tensor":
        import torch

        pixels = np.stack([np.asarray(self.shrink(image)) for image in images])
        lines = torch.from_numpy(pixels).to(self._device).float().flatten(2)
        shown = lines.mul_(self._scale).add_(self._shift).view(pixels.shape)
        return shown.permute(0, 3, 1, 2).contiguous(memory_format=self._layout)


@contextmanager
def _inference() -> "Iterator[None]":
    import torch

    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        # 10-bit products would make vectors differ between machines by 1e-3
        cudnn = torch.backends.cudnn
        stack.enter_context(
            cudnn.flags(
                enabled=cudnn.enabled,  # torch would take it for False
                benchmark=cudnn.benchmark,
                deterministic=cudnn.deterministic,
                allow_tf32=False,
            )
        )
        yield


def unit_rows(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale each row to length 1; a row of zeros stays.

    Parameters
    ----------
    features : float32 array of shape (n, n_features)
    """
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.where(norms == 0, 1, norms), dtype=np.float32)


def fingerprint(model: Any) -> str:
    """Hash the weights: the same file under another name is the same embedder."""
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.cpu().float().numpy().tobytes())
    return digest.hexdigest()
