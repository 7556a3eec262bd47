"""Fewer dimensions for the vectors of a pool, fitted once, the same for all that come later."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import EmbedderUnavailable
from embeddings.fitted_state import State, fingerprint, load_state, save_state
from embeddings.installing import how_to_install

Method = Literal["pca", "pca_whiten", "svd", "random", "umap"]
METHODS: tuple[Method, ...] = get_args(Method)
NONE = "none"
DEFAULT_N = 64
N_NEAREST = 10
"""Fitted samples whose places a new sample of `umap` is put between."""
_BLOCK = 4096


@dataclass(frozen=True)
class ReductionName:
    """How vectors are to be reduced.

    Attributes
    ----------
    method : one of `METHODS`
    n_reduce : dimensions asked for, >= 2
    """

    method: Method
    n_reduce: int

    def __str__(self) -> str:
        return f"{self.method}:{self.n_reduce}"


def parse_reduction(text: str | None) -> ReductionName | None:
    """Read ``pca:64``, or ``pca`` for 64 dimensions; None and ``none`` ask for nothing.

    Raises
    ------
    EmbedderUnavailable
        If there is no such method or no such number; it lists the methods.
    """
    if text is None or text == NONE:
        return None
    asked, has_number, number = text.partition(":")
    method = next((one for one in METHODS if one == asked), None)
    if method is None:
        near = get_close_matches(asked, METHODS, n=1)
        hint = f"did you mean {near[0]}:{number or DEFAULT_N}? " if near else ""
        raise EmbedderUnavailable(
            f"there is no reduction {asked!r}",
            f"{hint}there are: {', '.join(METHODS)}, each with a number as in pca:64; or {NONE}",
        )
    if not has_number:
        return ReductionName(method, DEFAULT_N)
    if not (number.isascii() and number.isdigit() and 2 <= int(number) <= 1_000_000):
        raise EmbedderUnavailable(
            f"{text!r} does not say how many dimensions are wanted",
            f"write a whole number from 2 on: {method}:{DEFAULT_N}",
        )
    return ReductionName(method, int(number))


def check_installed(asked: ReductionName | None) -> None:
    """Refuse a reduction whose package is not here, before the long work.

    Raises
    ------
    EmbedderUnavailable
    """
    if asked is not None and asked.method == "umap" and find_spec("umap") is None:
        raise EmbedderUnavailable(
            "umap needs the package umap-learn, which is not installed",
            f"{how_to_install('umap')}; or take pca:64, which needs nothing",
        )


class Reduction:
    """A fitted map from vectors to fewer dimensions; made by `reduction_fit.fit_reduction`.

    Parameters
    ----------
    state : mapping of arrays
        Either ``mean`` of shape (n_given,) and ``projection`` of shape (n_given, n_features): a
        vector less the mean, times the projection. Or ``fitted`` of shape (n_fitted, n_given) and
        ``placed`` of shape (n_fitted, n_features), unit rows both: the mean of the places of the
        nearest fitted vectors, each weighted by one over its squared distance, so that a fitted
        vector keeps its own place.

    Attributes
    ----------
    n_given : dimensions of what goes in
    n_features : dimensions of what comes out
    id : names the map by its content
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._is_linear = "projection" in state
        places = state["projection"] if self._is_linear else state["placed"]
        source = state["mean"] if self._is_linear else state["fitted"]
        self.n_given = int(source.shape[-1])
        self.n_features = int(places.shape[1])
        self.id = fingerprint(state)
        # a unit vector that equals the mean but for rounding comes out this short
        self._nothing = 1e-6 * float(np.linalg.norm(places, axis=0 if self._is_linear else 1).max())

    def apply(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the reduced vectors, block by block: the input may be mapped from a file.

        Parameters
        ----------
        vectors : float32 array of shape (n, n_given), unit-length rows

        Returns
        -------
        float32 array of shape (n, n_features), unit-length rows. A vector of which the map leaves
        nothing, one that equals the mean, say, becomes the first axis: a pool has no empty rows.

        Raises
        ------
        ValueError
            If the vectors have another width.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.n_given:
            raise ValueError(
                f"vectors have shape {vectors.shape}, this reduction takes (n, {self.n_given})"
            )
        reduced = np.empty((len(vectors), self.n_features), np.float32)
        for start in range(0, len(vectors), _BLOCK):
            block = np.asarray(vectors[start : start + _BLOCK], np.float32)
            reduced[start : start + _BLOCK] = _unit_or_first_axis(self._map(block), self._nothing)
        return reduced

    def _map(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._is_linear:
            mapped: NDArray[np.float32] = (block - self._state["mean"]) @ self._state["projection"]
            return mapped
        fitted, placed = self._state["fitted"], self._state["placed"]
        distances = np.maximum(1 - block @ fitted.T, 0)
        n_near = min(N_NEAREST, len(fitted))
        near = np.argpartition(distances, n_near - 1, axis=1)[:, :n_near]
        # rounding makes a vector's distance to itself some 1e-7, not 0
        weights = 1 / (np.take_along_axis(distances, near, axis=1) + np.float32(1e-6)) ** 2
        weights /= weights.sum(axis=1, keepdims=True)
        mean: NDArray[np.float32] = np.einsum("nk,nkd->nd", weights, placed[near])
        return mean

    def save(self, path: Path) -> None:
        """Write the map as an ``.npz`` of plain arrays: completely, or not at all."""
        save_state(path, self._state)


def load_reduction(path: Path) -> Reduction:
    """Read what `Reduction.save` wrote.

    Raises
    ------
    EmbedderUnavailable
        If the file is lost or damaged. It is not fitted anew: vectors made with it are in use.
    """
    try:
        state = load_state(path)
    except EmbedderUnavailable as error:
        raise EmbedderUnavailable(error.message, f"restore {path.name} from a copy") from error
    if state is None:
        raise EmbedderUnavailable(
            f"the reduction {path} is lost; vectors made with it are in use",
            "restore it from a copy",
        )
    return Reduction(state)


def apply_all(maps: Sequence[Reduction], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put vectors through maps, one after the other; without maps they come back as they are."""
    for one in maps:
        vectors = one.apply(vectors)
    return vectors


def _unit_or_first_axis(vectors: NDArray[np.floating], nothing: float) -> NDArray[np.float32]:
    """Scale rows to length one; one that is no longer than `nothing` becomes the first axis."""
    rows = vectors.astype(np.float64)
    norms = np.sqrt((rows**2).sum(axis=1))
    is_empty = norms <= nothing
    rows[is_empty] = 0
    rows[is_empty, 0] = norms[is_empty] = 1
    return np.asarray(rows / norms[:, None], np.float32)
