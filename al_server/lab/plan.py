"""What is to be compared, and how."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from al_server.errors import BadInput

BASELINE = "uniform"
Classifier = Literal["knn", "propagated"]
OPTIONS = {"by_group": "group", "n_shared": "shared-start"}
"""What people call a setting, where that is another name."""
Metric = Literal["accuracy", "balanced_accuracy", "macro_f1"]
Share = Annotated[float, Field(gt=0, lt=1)]


class Plan(BaseModel):
    """A comparison; equal plans of equal data give equal results.

    Attributes
    ----------
    strategies : names as campaigns take them; the baseline always runs
    repeats : of the whole comparison, each with a split and a random stream of its own
    budget, batch : labels in all, and at a time
    holdout : share that is measured on; with `folds` each fold is the holdout of a repeat
    by_group : samples of one group stay together
    imbalance : the pool is thinned geometrically until the rarest class is so many times smaller
    most_in_pool : of a larger pool so many are drawn
    metric : what curves show; None: accuracy, or balanced accuracy where the pool is thinned
    targets : of the metric, to count labels to
    n_shared : the first labels are drawn at random, the same ones for all arms
    classifier : the campaign's, the same one in all arms
    k : neighbours that vote, where it is `knn`
    probe : judge by a linear model too, fitted anew at `n_checkpoints` places of the curve
    seed : of everything that is drawn
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategies: tuple[str, ...] = ("default",)
    repeats: int = Field(default=30, ge=2, le=100_000)
    budget: int = Field(default=300, ge=2)
    batch: int = Field(default=1, ge=1)
    holdout: Share = 0.2
    folds: int | None = Field(default=None, ge=2)
    by_group: bool = False
    imbalance: float | None = Field(default=None, gt=1)
    most_in_pool: int | None = Field(default=None, ge=10)
    metric: Metric | None = None
    targets: tuple[Share, ...] = (0.8, 0.9)
    n_shared: int = Field(default=0, ge=0)
    classifier: Classifier = "propagated"
    k: int = Field(default=10, ge=1, le=100)
    probe: bool = True
    n_checkpoints: int = Field(default=10, ge=2, le=1000)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> "Plan":
        if len(set(self.strategies)) < len(self.strategies):
            raise ValueError("a strategy is named twice")
        if self.folds is not None and self.repeats != self.folds:
            raise ValueError(f"{self.folds} folds make {self.folds} repeats, not {self.repeats}")
        if self.n_shared >= self.budget:
            raise ValueError(f"n_shared={self.n_shared} leaves nothing of budget={self.budget}")
        if self.batch > self.budget - self.n_shared:
            raise ValueError(f"batch={self.batch} is more than there are labels to choose")
        return self

    @property
    def arms(self) -> tuple[str, ...]:
        """All strategies, the baseline last."""
        return (*(one for one in self.strategies if one != BASELINE), BASELINE)

    @property
    def shown(self) -> Metric:
        """What curves show."""
        if self.metric is not None:
            return self.metric
        return "accuracy" if self.imbalance is None else "balanced_accuracy"


def make_plan(**settings: Any) -> Plan:
    """Make a plan of settings that people gave.

    Raises
    ------
    BadInput
        If one does not fit; it names it.
    """
    try:
        return Plan(**settings)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0]) if first["loc"] else "the plan"
        given = "" if not first["loc"] else f" {first['input']!r}"
        raise BadInput(
            f"{OPTIONS.get(field, field)}{given}: {first['msg'].removeprefix('Value error, ')}",
            "see `al-server compare --help`",
        ) from error
