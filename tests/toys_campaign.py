"""A small campaign in a folder, made the way the server makes one, without its threads."""

from collections.abc import Sequence
from concurrent.futures import Future
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, event

from al_server.campaign.campaign import Campaign
from al_server.campaign.intake import Intake, Workplace
from al_server.campaign.loop import Loop
from al_server.campaign.opening import open_campaign, open_loop
from al_server.campaign.pool_files import PoolFiles
from al_server.campaign.predicting import own_rows
from al_server.models import AnswerIn, CampaignSpec, PredictionsIn, Source
from al_server.models import Label as LabelName
from al_server.sources.fetch import Fetcher
from al_server.store.catalog import Catalog
from al_server.store.database import open_database, sqlite_url
from al_server.store.event_log import Event, EventLog

CLASSES = ("ash", "beech", "cedar")
Ids = Sequence[str]
Known = Sequence[int]


def grid_vectors(n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw from few directions, so that duplicates and equal distances abound."""
    vectors = rng.integers(-2, 3, size=(n, 3)).astype(np.float32)
    vectors[~vectors.any(axis=1), 0] = 1
    return vectors


class ToyCampaign:
    """The store and the files of one campaign; `open` builds its loop from them, any number of
    times.

    Parameters
    ----------
    folder : where everything goes
    vectors : the pool; ids are "s0", "s1", ... unless given
    known : class numbers that come with the source, -1 for none
    holdout : vectors and class numbers to measure on
    spec : other fields of the campaign's spec
    """

    def __init__(
        self,
        folder: Path,
        vectors: NDArray[np.float32],
        *,
        ids: Ids | None = None,
        known: Known | None = None,
        holdout: tuple[NDArray[np.float32], Known] | None = None,
        classes: Sequence[str] = CLASSES,
        **spec: Any,
    ) -> None:
        self.folder = folder
        self._numbers = count()
        if holdout is not None:
            spec["holdout"] = self._write(holdout[0], None, holdout[1]).path
        spec.setdefault("random_share", 0.0)  # most tests are about what the strategy picks
        self.spec = CampaignSpec(
            name="toy", classes=list(classes), source=self._write(vectors, ids, known), **spec
        )
        self.engine = _without_fsync(open_database(sqlite_url(folder / "al.db")))
        self.catalog = Catalog(self.engine)
        stored = self.catalog.add(self.spec)
        self.files = PoolFiles(folder / "pool")
        self._intake = Intake(self.spec, self.files, self._workplace())
        self._intake.prepare(stored, EventLog(self.engine, stored.id))
        self.stored = self.catalog.all()[0]

    def open(self) -> Loop:
        """Build the loop from the store and the files, as a start of the server does."""
        return open_loop(self.stored, engine=self.engine, files=self.files)

    def open_campaign(self) -> Campaign:
        """Open it with its writer thread; the caller closes it."""
        return open_campaign(
            self.stored, engine=self.engine, files=self.files, take_in=_nothing_comes
        )

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def add_samples(
        self, loop: Loop, vectors: NDArray[np.float32], ids: Ids, known: Known | None = None
    ) -> int:
        """Let samples join a loop; return how many were new."""
        source = self._write(vectors, ids, known)
        return self._intake.add(source, self.stored).join(loop)

    def set_predictions(self, loop: Loop, request: PredictionsIn | None) -> None:
        """Do what the campaign does with a user's own predictions; None clears them."""
        if request is None:
            loop.set_predictions(None, None)
            return
        own = own_rows(request, loop.names, multi=self.spec.task == "multi")
        probabilities = own.laid_over(loop.pool.own_probabilities, loop.names)
        file = f"predictions-{loop.seq + 1}.npz"
        self.files.save_predictions(file, probabilities)
        loop.set_predictions(file, probabilities)

    def _workplace(self) -> Workplace:
        return Workplace(
            roots=(self.folder,),
            networks=(),
            fetch=Fetcher(self.folder / "media"),
            cache_file=self.folder / "vectors.db",
            report=lambda _share, _what: None,
            should_stop=lambda: False,
        )

    def _write(self, vectors: NDArray[np.float32], ids: Ids | None, known: Known | None) -> Source:
        ids = ids if ids is not None else [f"s{row}" for row in range(len(vectors))]
        arrays = {"X": np.asarray(vectors, np.float32), "ids": np.array(ids)}
        if known is not None:
            arrays |= {"y": np.array(known, np.int64), "classes": np.array(CLASSES)}
        path = self.folder / f"source-{next(self._numbers)}.npz"
        np.savez(path, allow_pickle=False, **arrays)
        return Source(kind="npz", path=str(path), labels=known is not None)


def _nothing_comes(campaign: Campaign, source: Source) -> "Future[None]":
    raise NotImplementedError("a toy takes samples in by add_samples")


def _without_fsync(engine: Engine) -> Engine:
    """Let thousands of commits not wait for the disk: no test here cuts the power."""

    def relax(connection: Any, _entry: object) -> None:
        connection.execute("PRAGMA synchronous=OFF").close()

    engine.dispose()  # the connections made so far
    event.listen(engine, "connect", relax)
    return engine


def say(
    loop: Loop, sample_id: str, label: LabelName | None, *, by: str = "ann", key: str | None = None
) -> None:
    """Record one answer and bring it into the arrays."""
    loop.record([AnswerIn(sample_id=sample_id, label=label, annotator=by, key=key)])
    loop.catch_up()


def undo(loop: Loop, sample_id: str, *, by: str = "ann", lease: bool = False) -> None:
    """Take one answer back, in the arrays, too."""
    loop.undo(loop.names.row(sample_id), by, lease=lease)
    loop.catch_up()


def lease(loop: Loop, *, by: str = "ann", n: int = 1) -> list[str]:
    """Ask for samples; return their ids."""
    offer = loop.offer(by, n)
    loop.catch_up()
    return [loop.names.sample_ids[row] for row in offer.rows]


def expire(loop: Loop, *, by: str, sample_id: str) -> None:
    """Let a lease run out, in the arrays, too."""
    loop.commit([Event("expire", row=loop.names.row(sample_id), annotator=by)])
    loop.catch_up()
