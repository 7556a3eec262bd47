"""A campaign as the rest of the server sees it.

Outside samples are known by `sample_id`, inside by `row`; here the one becomes the other.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from al_server.answers import (
    CampaignInfo,
    ClassesOut,
    Failure,
    NextBatch,
    PickedSample,
    Prediction,
    PredictOut,
    Progress,
    Receipt,
    Recorded,
    SampleInfo,
    Similar,
    Undone,
)
from al_server.campaign.against_random import LiveComparison, LiveSample
from al_server.campaign.describe import Describer, Media
from al_server.campaign.extracts import AnswerRow, Answers, BeliefsOfOthers, PredictionRow
from al_server.campaign.loop import Loop
from al_server.campaign.pool_building import build_pool
from al_server.campaign.pool_files import PoolFiles
from al_server.campaign.pool_state import PoolState
from al_server.campaign.predicting import own_rows, predict
from al_server.campaign.writer import Writer
from al_server.errors import AlreadyExists, Busy
from al_server.models import AnswerIn, PredictIn, PredictionsIn, Source
from al_server.store.catalog import Prepared, StoredCampaign, state_change
from embeddings.reduction import Reduction
from strategies.kernels.distances import cosine_distances

PATIENCE_S = 0.2
"""How long a question waits for the answers acknowledged before it."""
_N_FAILURES_SHOWN = 100
_T = TypeVar("_T")


class Campaign:
    """A campaign that people label in. Every public method may be called from any thread.

    Made by `opening.open_campaign`.

    Attributes
    ----------
    message : what the people who watch it should know, such as which embedder was chosen
    error : why the last addition of samples failed, or None
    adding : share done of samples being added, None while none are
    failures : samples that could not be taken in
    changing : held by whoever adds samples or makes other vectors, so that neither misses the other
    """

    def __init__(
        self,
        stored: StoredCampaign,
        *,
        loop: Loop,
        files: PoolFiles,
        describer: Describer,
        take_in: Callable[["Campaign", Source], "Future[None]"],
    ) -> None:
        assert stored.prepared is not None
        self.stored = stored
        self.spec = stored.spec
        self.prepared = stored.prepared
        self.files = files
        self.loop = loop
        self.message = stored.prepared.message
        self.error: str | None = None
        self.adding: float | None = None
        self.failures: list[Failure] = list(stored.failures)
        self._describer = describer
        self._take_in = take_in
        self._live = LiveComparison()
        self.changing = threading.Lock()
        # the arrays, and what vectors go through on their way in: always those that belong together
        self._mapped: tuple[PoolState, list[Reduction]] = (
            loop.pool,
            files.maps(stored.prepared.maps),
        )
        self._writer = Writer(stored.name, loop)

    def close(self) -> None:
        """Finish what was asked for, then stop."""
        self._writer.close()

    # -- the loop ------------------------------------------------------------------------------

    def next_batch(self, *, annotator: str, n: int = 1) -> NextBatch:
        """Lease up to `n` samples to an annotator, those held already first.

        Every label acknowledged before is reflected, unless that would take longer than 200 ms.
        """

        def next_batch() -> NextBatch:
            offer = self.loop.offer(annotator, n)
            has_pictures = self.prepared.kind == "image"
            preload = self.loop.likely_next() if offer.rows and has_pictures else None
            return NextBatch(
                samples=[self._picked(annotator, row) for row in offer.rows],
                reason=offer.reason,
                preload=None if preload is None else self._describer.uri(preload),
            )

        return self._writer.read(next_batch, patience_s=PATIENCE_S)

    def record_labels(self, answers: Sequence[AnswerIn]) -> Recorded:
        """Record answers, all or none; on return they are on disk.

        Raises
        ------
        UnknownSample, UnknownClass, BadInput
            If one of them cannot be taken.
        StorageFull, StorageUnavailable
            If they could not be written.
        """

        def record() -> Recorded:
            self.loop.record(answers)
            n_labeled = self.loop.snapshot.counts.n_labeled
            return Recorded(accepted=len(answers), n_labeled=n_labeled)

        return self._writer.write(record)

    def undo(self, sample_id: str, *, annotator: str, lease: bool = False) -> Undone:
        """Take an annotator's answer or skip back; with `lease` hand the sample back, too.

        Raises
        ------
        NothingToUndo
            If this annotator has no answer on this sample.
        """

        def undo() -> Undone:
            names = self.loop.names
            label = self.loop.undo(names.row(sample_id), annotator, lease=lease)
            return Undone(
                sample_id=sample_id,
                label=None if label is None else names.label_name(label),
                n_labeled=self.loop.snapshot.counts.n_labeled,
            )

        return self._writer.write(undo)

    def take_back(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Take the answers of (sample_id, annotator) back; those that are gone are passed over."""
        names = self.loop.names
        self._writer.write(
            lambda: self.loop.take_back([(names.row(one), who) for one, who in pairs])
        )

    # -- for those who keep a queue elsewhere --------------------------------------------------

    def reserve(self, holder: str, n: int, *, lease_s: float) -> list[str]:
        """Lease up to `n` new picks to a holder, beside what it holds; most valuable first."""

        def reserve() -> list[str]:
            rows = self.loop.reserve(holder, n, lease_s=lease_s)
            return [self.loop.names.sample_ids[row] for row in rows]

        return self._writer.read(reserve, patience_s=PATIENCE_S)

    def release(self, holder: str, sample_ids: Sequence[str]) -> None:
        """End leases of a holder; samples that it does not hold are passed over."""
        names = self.loop.names
        self._writer.write(lambda: self.loop.release(holder, map(names.row, sample_ids)))

    def renew(self, holder: str, *, lease_s: float) -> None:
        """Let all leases of a holder last from now on anew."""
        self._writer.write(lambda: self.loop.renew(holder, lease_s=lease_s))

    def held(self, holder: str) -> list[str]:
        """Return the samples that are leased to a holder, in the order of their leases."""
        names, ledger = self.loop.names, self.loop.ledger
        return self._writer.write(
            lambda: [names.sample_ids[row] for row in ledger.leases.get(holder, ())]
        )

    def retire(self, sample_ids: Sequence[str]) -> None:
        """Never offer these samples again; answers that stand on them are taken back."""
        names = self.loop.names
        self._writer.write(lambda: self.loop.retire([names.row(one) for one in sample_ids]))

    def _picked(self, annotator: str, row: int) -> PickedSample:
        why = self.loop.explanations.get((annotator, row))
        receipt = Receipt(
            strategy=self.spec.strategy,
            score=None if why is None else why.score,
            parts=None if why is None else why.parts,
            random=row in self.loop.ledger.drawn,
            nearest_labeled=self._describer.nearest_labeled(row),
        )
        expires_at = self.loop.ledger.leases[annotator][row]
        return self._describer.picked(row, expires_at=expires_at, receipt=receipt)

    # -- what is known -------------------------------------------------------------------------

    def info(self) -> CampaignInfo:
        """Return the campaign as it stands."""
        snapshot = self.loop.snapshot
        return CampaignInfo(
            name=self.spec.name,
            state="ready" if self._writer.failure is None else "failed",
            progress=1.0,
            message=self.message,
            error=self._writer.failure or self.error,
            adding=self.adding,
            task=self.spec.task,
            classes=list(self.loop.names.classes),
            **snapshot.counts.__dict__,
            budget=self.spec.budget,
            overlap=self.spec.overlap,
            lease_s=self.spec.lease_s,
            strategy=self.spec.strategy,
            random_share=self.spec.random_share,
            classifier=self.spec.classifier,
            embedder=self.prepared.embedder,
            n_features=self.prepared.n_features,
            reduce=self.prepared.reduce,
            metric=self.prepared.metric,
            holdout_accuracy=snapshot.holdout_accuracy,
            random_accuracy=snapshot.random_accuracy,
            failures=self.failures[:_N_FAILURES_SHOWN],
            n_failures=len(self.failures),
            created_at=self.stored.created_at,
        )

    def predict(self, request: PredictIn) -> PredictOut:
        """Predict samples of the pool, or vectors from outside it."""
        (pool, maps), names = self._mapped, self.loop.names
        return predict(request, pool, names, self._describer, maps=maps, on_writer=self._read)

    def believed(self, sample_ids: Sequence[str]) -> list[Prediction | None]:
        """Return what is believed of samples of the pool; None where nothing is known of one."""
        names = self.loop.names
        return self._read(
            lambda: [self._describer.prediction(names.row(sample_id)) for sample_id in sample_ids]
        )

    def sample(self, sample_id: str) -> SampleInfo:
        """Return a sample and all answers about it."""
        return self._read(lambda: self._describer.sample(self.loop.names.row(sample_id)))

    def sample_ids(self) -> list[str]:
        """Return all samples that were not retired, in the order of the pool."""
        names, retired = self.loop.names, self.loop.ledger.retired
        return self._writer.write(
            lambda: [one for row, one in enumerate(names.sample_ids) if row not in retired]
        )

    def has_sample(self, sample_id: str) -> bool:
        """Tell whether the pool holds a sample."""
        return self.loop.names.has_sample(sample_id)

    def is_retired(self, sample_id: str) -> bool:
        """Tell whether the pool holds a sample that is never offered again."""
        names = self.loop.names
        return names.has_sample(sample_id) and names.row(sample_id) in self.loop.ledger.retired

    def media(self, sample_id: str) -> Media:
        """Return the picture or text of a sample."""
        return self._describer.media(self.loop.names.row(sample_id))

    def similar(self, sample_id: str, *, k: int = 20) -> Similar:
        """Return the `k` samples of the pool nearest to one of them."""
        return self._read(lambda: self._similar(self.loop.names.row(sample_id), k))

    def _similar(self, row: int, k: int) -> Similar:
        pool = self.loop.pool
        distances = cosine_distances(pool.embeddings, pool.embeddings[row : row + 1])[0]
        distances[row] = np.inf
        n_near = min(k, len(distances) - 1)
        near = np.argpartition(distances, max(0, n_near - 1))[:n_near]
        near = near[np.lexsort((pool.book.keys[near], distances[near]))]
        return Similar(samples=[self._describer.similar(int(r), float(distances[r])) for r in near])

    def progress(self) -> Progress:
        """Return how far the campaign has come."""

        def progress() -> tuple[Progress, LiveSample | None]:
            pool = self.loop.pool
            classes = self.loop.names.classes
            if pool.book.targets is None:
                labels = pool.book.labels
                n_by_class = np.bincount(labels[labels >= 0], minlength=len(classes))
            else:
                n_by_class = (pool.book.targets == 1).sum(axis=0)
            annotators = Counter(
                annotator
                for answers in self.loop.ledger.answers.values()
                for annotator, answer in answers.items()
                if answer.label is not None
            )
            shown = Progress(
                info=self.info(),
                class_counts=dict(zip(classes, n_by_class.tolist(), strict=True)),
                annotators=dict(annotators.most_common()),
                curve=list(pool.holdout.curve) if pool.holdout is not None else [],
            )
            return shown, LiveSample.of(self.loop, width=self.prepared.vote_width)

        shown, sample = self._read(progress)
        return shown.model_copy(update={"against_random": self._live.compare(sample)})

    def answer_rows(self) -> Iterator[AnswerRow]:
        """Return the answers that stand, in order of time."""
        answers = self._read(lambda: Answers.of(self.loop.ledger))
        return answers.rows(self.loop.names)

    def prediction_rows(self) -> Iterator[PredictionRow]:
        """Return what is believed of the samples that nobody has labeled, in order of the pool."""
        beliefs = self._read(lambda: BeliefsOfOthers.of(self.loop.pool))
        return beliefs.prediction_rows(self.loop.names)

    def _read(self, run: Callable[[], _T]) -> _T:
        return self._writer.read(run, patience_s=PATIENCE_S)

    # -- what changes it -----------------------------------------------------------------------

    def set_predictions(self, request: PredictionsIn) -> CampaignInfo:
        """Take uncertainty from a model of the user's own, for the samples it names.

        What it said earlier of other samples stands.

        Raises
        ------
        BadInput, UnknownSample
            If they are no probabilities, or do not fit the pool; nothing changes.
        """
        names = self.loop.names
        own = own_rows(request, names, multi=self.spec.task == "multi")

        def set_predictions() -> None:
            probabilities = own.laid_over(self.loop.pool.own_probabilities, names)
            file = f"predictions-{self.loop.seq + 1}.npz"
            self.files.save_predictions(file, probabilities)
            self.loop.set_predictions(file, probabilities)
            self.files.drop_predictions(but=file)

        self._writer.write(set_predictions)
        return self.info()

    def clear_predictions(self) -> CampaignInfo:
        """Forget all that a model of the user's own has said."""

        def clear_predictions() -> None:
            self.loop.set_predictions(None, None)
            self.files.drop_predictions(but=None)

        self._writer.write(clear_predictions)
        return self.info()

    def add_classes(self, names: Sequence[str]) -> ClassesOut:
        """Append classes.

        Raises
        ------
        AlreadyExists
            If one of them is there already, or is named twice.
        """

        def add_classes() -> ClassesOut:
            known = list(self.loop.names.classes)
            doubled = [name for name, n in Counter([*known, *names]).items() if n > 1]
            if doubled:
                raise AlreadyExists(f"these classes are there already: {doubled}", "leave them out")
            self.loop.add_classes(names)
            return ClassesOut(classes=list(self.loop.names.classes))

        return self._writer.write(add_classes)

    def add_samples(self, source: Source) -> CampaignInfo:
        """Take more samples in, in the background; those that are there already are passed over."""
        self.take_in(source)
        return self.info()

    def change_vectors(self, prepared: Prepared, files: PoolFiles, data: dict[str, Any]) -> None:
        """Go on with other vectors of the same samples; on return the switch is on disk.

        Nobody is offered or told anything while the arrays are built from the ledger: so long as
        it takes to open the campaign.

        Raises
        ------
        Busy
            If samples have joined that have no such vector yet; nothing changes.
        """
        stored = replace(self.stored, prepared=prepared)
        maps = files.maps(prepared.maps)

        def build() -> PoolState:
            loop = self.loop
            return build_pool(
                stored, names=loop.names, ledger=loop.ledger, files=files, strategy=loop.strategy
            )

        def change() -> None:
            n_samples = len(self.loop.names.sample_ids)
            if files.width(n_samples) != prepared.n_features:
                raise Busy("samples were added meanwhile", "begin again")
            ready = state_change(stored.id, "ready", prepared=prepared)
            self.loop.change_vectors(data, build, together_with=[ready])
            self._describer.follow(self.loop.pool)
            self._mapped = self.loop.pool, maps
            self.stored, self.prepared, self.files = stored, prepared, files
            self._live = LiveComparison()

        self._writer.write(change)

    def take_in(self, source: Source) -> "Future[None]":
        """Do what `add_samples` does; done when they are in, or `message` says why not."""
        return self._take_in(self, source)

    def on_writer(self, run: Callable[[], _T]) -> _T:
        """Run something that changes the loop on the thread that owns it."""
        return self._writer.write(run)
