"""Curation of whatever a model and a loader make of it, from a notebook.

A user gives a model, batches with something that tells the samples apart, and, where there are
pictures, how to show one; metadata of what is worth keeping come back::

    from integrations.filterable import Filterable

    data = Filterable(
        model.backbone,  # a torch module, or any callable: batch -> features
        ((images, names) for images, names in loader),
        show=lambda name: Image.open(folder / name),
    )
    kept = data.keep(outliers="5%", similars="10%", keep="50%")  # other amounts: at once
    data.insights("insights.html")
"""

import logging
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from al_server.curation.amounts import Amount
from al_server.curation.curated import Curated
from al_server.curation.pipeline import Pipeline
from al_server.errors import BadInput
from al_server.sources.listing import MAX_ID_LENGTH

if TYPE_CHECKING:
    from PIL.Image import Image

    from al_server.curation.projection import Method

M = TypeVar("M")
_SIDE = 256  # of a picture that the page makes smaller
_log = logging.getLogger(__name__)


class Gone(NamedTuple, Generic[M]):
    """A sample that goes: its metadata, why, and those of the kept sample that stands for it."""

    metadata: M
    reason: str
    because_of: M | None
    distance: float


class Filterable(Generic[M]):
    """Samples as a model sees them; embedded once, filtered as often as wanted.

    Parameters
    ----------
    model : torch module or callable, from a batch to features of shape (n, ...); a module is put
        into evaluation mode meanwhile
    batches : pairs of a batch and the metadata of its samples, in the batch's order
    show : from metadata to a PIL image, for the insights
    options : of `Pipeline`, as ``metric="euclidean"`` or ``chain=("similars",)``

    Raises
    ------
    BadInput, BadSource
        If features and metadata do not fit together, or features are not finite.

    Notes
    -----
    Metadata that are distinct texts of up to 1,000 characters are the ids, and decide ties; else
    positions do.
    """

    def __init__(
        self,
        model: Callable[[Any], Any],
        batches: Iterable[tuple[Any, Sequence[M]]],
        *,
        show: "Callable[[M], Image] | None" = None,
        **options: Any,
    ) -> None:
        self.metadata: list[M] = []
        self.show = show
        blocks: list[NDArray[np.float32]] = []
        with _evaluating(model):
            for batch, metadata in batches:
                features = _features(model(batch), len(metadata))
                if len(metadata):  # the last batch may be empty
                    blocks.append(_as_wide(features, blocks[:1]))
                    self.metadata.extend(metadata)
        if not self.metadata:
            raise BadInput("there are no batches", "give pairs of a batch and its metadata")
        self.pipeline = Pipeline(np.concatenate(blocks), _ids(self.metadata), **options)
        self.curated: Curated | None = None

    def __repr__(self) -> str:
        """Say in one line how many there are, and what the last `keep` came to."""
        last = "" if self.curated is None else f"; {self.curated!r}"
        return f"Filterable({len(self.metadata):,} samples{last})"

    def keep(self, *, keep: Amount | None = None, **amounts: Amount) -> list[M]:
        """Return metadata of what is kept, in their order; amounts as in `Pipeline.run`."""
        self.curated = self.pipeline.run(amounts, keep=keep)
        return [self.metadata[row] for row in self.curated.kept]

    def gone(self) -> list[Gone[M]]:
        """Return what the last `keep` removed, in the order in which it went, and why."""
        curated = self._last()
        return [
            Gone(
                self.metadata[row],
                curated.steps[step].reason,
                None if other < 0 else self.metadata[other],
                distance,
            )
            for row, step, other, distance in zip(
                curated.removed.tolist(),
                curated.step_of.tolist(),
                curated.because_of.tolist(),
                curated.distances.tolist(),
                strict=True,
            )
        ]

    def insights(self, file: str | Path, *, projection: "Method" = "pca") -> None:
        """Write a page about the last `keep`; pictures where `show` is known.

        Only the pictures that the page has room for are asked for; where `show` raises, the page
        goes without that picture, and a warning is logged.

        Parameters
        ----------
        projection : "pca", "umap" or "tsne", how the samples are brought onto the map

        Raises
        ------
        BadInput
            If nothing was filtered yet, or umap-learn is not installed and is needed.
        """
        from tempfile import TemporaryDirectory

        from al_server.curation.insights import gather
        from al_server.curation.insights_page import render
        from al_server.lab.writing import write_whole

        curated = self._last()
        with TemporaryDirectory() as folder:
            page = gather(
                curated,
                self.pipeline.vectors,
                path_of=self._shown(Path(folder)),
                projection=projection,
                metric="cosine" if self.pipeline.metric == "cosine" else "euclidean",
            )
        write_whole(Path(file), render(page).encode())

    def _shown(self, folder: Path) -> Callable[[int], Path | None]:
        """Write the picture of a sample when it is asked for."""
        show = self.show

        def path_of(row: int) -> Path | None:
            if show is None:
                return None
            path = folder / f"{row}.png"
            try:
                image = show(self.metadata[row]).convert("RGB")
                image.thumbnail((_SIDE, _SIDE))
                image.save(str(path))
            except Exception as error:  # whatever a user's function raises
                _log.warning(
                    "no picture of %r: %s: %s", self.metadata[row], type(error).__name__, error
                )
                return None
            return path

        return path_of

    def _last(self) -> Curated:
        if self.curated is None:
            raise BadInput("nothing was filtered yet", "call keep before")
        return self.curated


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Run a torch module as it is in use, without gradients, and leave it as it was."""
    torch = sys.modules.get("torch")  # who gives a module has imported it
    if torch is None or not isinstance(model, torch.nn.Module):
        yield
        return
    training = [one for one in model.modules() if one.training]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for one in training:
            one.training = True


def _features(given: Any, n: int) -> NDArray[np.float32]:
    """Return features as an array of shape (n, n_features)."""
    if hasattr(given, "detach"):
        given = given.detach().float().cpu().numpy()  # numpy knows no bfloat16
    features = np.asarray(given, dtype=np.float32)
    if features.shape[:1] != (n,) or (n and features.ndim < 2):
        raise BadInput(
            f"the model makes features of shape {features.shape} of a batch with {n} metadata",
            "it should give one row of features for each",
        )
    return features.reshape(n, math.prod(features.shape[1:]))


def _as_wide(
    features: NDArray[np.float32], before: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return features that are as wide as those of the first batch, if there was one."""
    if before and features.shape[1] != before[0].shape[1]:
        raise BadInput(
            f"the model makes {features.shape[1]} features of a sample, and made "
            f"{before[0].shape[1]} in the first batch",
            "bring all samples to one size, or pool over it, so that batches are equally wide",
        )
    return features


def _ids(metadata: Sequence[object]) -> list[str]:
    texts = [one for one in metadata if isinstance(one, str) and 0 < len(one) <= MAX_ID_LENGTH]
    if len(set(texts)) == len(metadata):
        return texts
    return [str(position) for position in range(len(metadata))]
