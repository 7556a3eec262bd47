"""A registry by the contract of `al_server.campaigns`, in memory, without a brain.

Picks come in the order of the pool. It stands in where a test is about HTTP and needs samples or
failures that a real campaign would not have.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from al_server.errors import AlreadyExists, NotFound, UnknownCampaign, UnknownClass, UnknownSample
from al_server.models import (
    AnswerIn,
    AnswerOut,
    CampaignInfo,
    CampaignSpec,
    ClassesOut,
    NextBatch,
    PickedSample,
    Predicted,
    PredictIn,
    PredictionsIn,
    PredictOut,
    Progress,
    Receipt,
    Recorded,
    SampleInfo,
    Similar,
    Source,
    Undone,
)

Label = str | list[str]


class ToyMedia(NamedTuple):
    path: Path | None
    text: str | None


class ToyAnswerRow(NamedTuple):
    sample_id: str
    annotator: str
    label: Label | None
    at: float
    lead_time_s: float | None
    known: bool


class ToyPredictionRow(NamedTuple):
    sample_id: str
    label: Label
    probability: float


@dataclass
class ToyCampaign:
    spec: CampaignSpec
    samples: dict[str, ToyMedia]
    answers: list[ToyAnswerRow] = field(default_factory=list)

    def info(self) -> CampaignInfo:
        return CampaignInfo(
            name=self.spec.name,
            state="ready",
            progress=1.0,
            message=None,
            task=self.spec.task,
            classes=self.spec.classes,
            n_samples=len(self.samples),
            n_labeled=sum(answer.label is not None for answer in self.answers),
            n_pending=0,
            n_skipped=0,
            n_answers=len(self.answers),
            budget=self.spec.budget,
            overlap=1,
            lease_s=600,
            strategy="toy",
            classifier="knn",
            embedder=None,
            n_features=None,
            holdout_accuracy=None,
            failures=[],
            n_failures=0,
            created_at=0.0,
            error=None,
        )

    def next_batch(self, *, annotator: str, n: int = 1) -> NextBatch:
        answered = {answer.sample_id for answer in self.answers}
        picked = [self._picked(one) for one in self.samples if one not in answered][:n]
        return NextBatch(samples=picked, reason=None if picked else "pool_exhausted", preload=None)

    def _picked(self, sample_id: str) -> PickedSample:
        return PickedSample(
            sample_id=sample_id,
            uri=None,
            kind="vector",
            text=None,
            prediction=None,
            lease_expires_at=0.0,
            receipt=Receipt(strategy="toy", score=None, parts=None, nearest_labeled=[]),
        )

    def record_labels(self, answers: Sequence[AnswerIn]) -> Recorded:
        for answer in answers:
            self._known(answer.sample_id)
            named = [answer.label] if isinstance(answer.label, str) else answer.label or []
            if not set(named) <= set(self.spec.classes):
                raise UnknownClass(f"no class {answer.label!r}", f"one of {self.spec.classes}")
        self.answers += [
            ToyAnswerRow(one.sample_id, one.annotator, one.label, 1.5, one.lead_time_s, False)
            for one in answers
        ]
        return Recorded(accepted=len(answers), n_labeled=self.info().n_labeled)

    def undo(self, sample_id: str, *, annotator: str, lease: bool = False) -> Undone:
        self._known(sample_id)
        row = next(one for one in self.answers if one[:2] == (sample_id, annotator))
        self.answers.remove(row)
        return Undone(sample_id=sample_id, label=row.label, n_labeled=self.info().n_labeled)

    def predict(self, request: PredictIn) -> PredictOut:
        n = len(request.sample_ids or request.embeddings or [])
        one = Predicted(sample_id=None, label=self.spec.classes[0], probabilities={}, neighbors=[])
        return PredictOut(predictions=[one] * n)

    def sample(self, sample_id: str) -> SampleInfo:
        media = self._known(sample_id)
        standing = [one for one in self.answers if one.sample_id == sample_id]
        return SampleInfo(
            sample_id=sample_id,
            uri=None,
            kind="vector",
            text=media.text,
            status="labeled" if standing else "unlabeled",
            label=standing[0].label if standing else None,
            answers=[
                AnswerOut(annotator=one.annotator, label=one.label, at=one.at, lead_time_s=None)
                for one in standing
            ],
            prediction=None,
            nearest_labeled=[],
        )

    def media(self, sample_id: str) -> ToyMedia:
        media = self._known(sample_id)
        if media == ToyMedia(None, None):
            raise NotFound(f"sample {sample_id!r} is a bare vector", "")
        return media

    def similar(self, sample_id: str, *, k: int = 20) -> Similar:
        self._known(sample_id)
        return Similar(samples=[])

    def set_predictions(self, request: PredictionsIn) -> CampaignInfo:
        return self.info()

    def clear_predictions(self) -> CampaignInfo:
        return self.info()

    def add_classes(self, names: Sequence[str]) -> ClassesOut:
        return ClassesOut(classes=[*self.spec.classes, *names])

    def add_samples(self, source: Source) -> CampaignInfo:
        return self.info()

    def progress(self) -> Progress:
        return Progress(info=self.info(), class_counts={}, annotators={}, curve=[])

    def answer_rows(self) -> Iterator[ToyAnswerRow]:
        yield from self.answers

    def prediction_rows(self) -> Iterator[ToyPredictionRow]:
        answered = {answer.sample_id for answer in self.answers}
        multi = self.spec.task == "multi"
        for sample_id in self.samples.keys() - answered:
            label: Label = self.spec.classes[:1] if multi else self.spec.classes[0]
            yield ToyPredictionRow(sample_id, label, 0.5)

    def _known(self, sample_id: str) -> ToyMedia:
        if sample_id not in self.samples:
            raise UnknownSample(f"no sample {sample_id!r}", "ask /next for one")
        return self.samples[sample_id]


@dataclass
class ToyRegistry:
    campaigns: dict[str, ToyCampaign] = field(default_factory=dict)
    ready: bool = True

    def create(self, spec: CampaignSpec) -> CampaignInfo:
        if spec.name in self.campaigns:
            raise AlreadyExists(f"there is a campaign {spec.name!r}", "choose another name")
        self.campaigns[spec.name] = ToyCampaign(spec, {})
        return self.campaigns[spec.name].info()

    def infos(self) -> list[CampaignInfo]:
        return [campaign.info() for campaign in self.campaigns.values()]

    def info(self, name: str) -> CampaignInfo:
        return self.campaign(name).info()

    def campaign(self, name: str) -> ToyCampaign:
        if name not in self.campaigns:
            raise UnknownCampaign(f"no campaign {name!r}", f"known: {list(self.campaigns)}")
        return self.campaigns[name]

    def is_ready(self) -> bool:
        return self.ready

    def close(self) -> None:
        pass
