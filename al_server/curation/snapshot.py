"""A campaign's samples as they were when a curation began."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.pool import Rows

if TYPE_CHECKING:
    from al_server.campaign.campaign import Campaign


class Snapshot(NamedTuple):
    """The pool when the build began; retired samples are not in it.

    Attributes
    ----------
    vectors : float32 array of shape (n, n_features)
    classes : int64 array of shape (n,), class of each labeled sample, -1 else; None without labels
    mark : generation of the vectors, and how many rows and retired samples there were
    """

    sample_ids: list[str]
    vectors: NDArray[np.float32]
    classes: NDArray[np.int64] | None
    class_names: list[str]
    mark: tuple[int, int, int]


def snapshot_of(campaign: "Campaign") -> Snapshot:
    """Copy what is curated, in one moment of the campaign."""

    def copied() -> Snapshot:
        pool, names, ledger = campaign.loop.pool, campaign.loop.names, campaign.loop.ledger
        retired = ledger.retired
        n = len(pool.embeddings)
        rows: Rows = np.array([row for row in range(n) if row not in retired], np.int64)
        labels = pool.book.labels[rows]
        is_labeled = pool.book.targets is None and bool((labels >= 0).any())
        return Snapshot(
            [names.sample_ids[row] for row in rows.tolist()],
            np.array(pool.embeddings[rows], np.float32),
            labels.copy() if is_labeled else None,
            list(names.classes),
            mark_of(campaign),
        )

    return campaign.on_writer(copied)


def mark_of(campaign: "Campaign") -> tuple[int, int, int]:
    """Return what changes when samples or vectors do; see `Snapshot.mark`."""
    loop = campaign.loop
    return campaign.files.generation, len(loop.names.sample_ids), len(loop.ledger.retired)
