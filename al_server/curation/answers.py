"""The nouns of a campaign's curation, as they cross the door."""

from typing import Final, Literal, get_args

from pydantic import Field

from al_server.models import Model

KeepBy = Literal["coreset", "adjacency", "uniqueness"]
KEEP_BY: Final[tuple[KeepBy, ...]] = get_args(KeepBy)
State = Literal["not_built", "building", "ready", "failed"]


class Amounts(Model):
    """How much each filter removes, in percent of all samples."""

    outliers: float = Field(0, ge=0, lt=100, description="percent of all samples")
    similars: float = Field(0, ge=0, lt=100, description="percent of all samples")
    keep: float | None = Field(
        None, gt=0, le=100, description="percent that stays in the end; left out: all the rest"
    )
    keep_by: KeepBy = Field("coreset", description="what removes the rest, down to `keep`")

    def amounts(self) -> "Amounts":
        """Return the amounts alone."""
        return Amounts(**{name: getattr(self, name) for name in Amounts.model_fields})


class CurationQuery(Amounts):
    """Amounts, and how many of the removed samples are told."""

    n: int = Field(24, ge=0, le=200, description="removed samples told of each filter")
    order: Literal["first", "last"] = Field(
        "first", description="which: those that went first, or last, at the border of what stays"
    )


class CuratedSample(Model):
    """A sample, as far as one can look at it."""

    sample_id: str
    kind: Literal["image", "text", "vector"]
    uri: str | None
    text: str | None


class RemovedSample(CuratedSample):
    """A sample that goes, with its receipt."""

    because_of: CuratedSample | None = Field(description="the kept one that stands for it")
    distance: float | None
    score: float | None


class CurationStep(Model):
    """What one filter removed."""

    name: str
    reason: str
    n_removed: int
    removed: list[RemovedSample]


class CurationResult(Model):
    """What stays and what goes by the amounts asked for."""

    n_kept: int
    n_removed: int
    steps: list[CurationStep]


class CurationInfo(Model):
    """A campaign's curation as it stands; `result` comes with `ready`."""

    state: State
    progress: float = Field(0, ge=0, le=1)
    time_left_s: float | None = Field(None, description="null before it can be told")
    message: str | None = None
    error: str | None = None
    n_samples: int = 0
    built_in_s: float | None = None
    is_stale: bool = Field(False, description="samples or vectors changed since it was built")
    result: CurationResult | None = None
