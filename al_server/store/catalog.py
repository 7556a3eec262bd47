"""The rows of campaigns and samples: what there is, and in which state."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypedDict, Unpack

from sqlalchemy import Engine, Update, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from al_server.answers import Failure
from al_server.errors import AlreadyExists
from al_server.models import CampaignSpec
from al_server.store.database import writing
from al_server.store.tables import campaigns, samples


@dataclass(frozen=True)
class Prepared:
    """What the preparation of a campaign settled, until it is re-embedded.

    Attributes
    ----------
    kind : image | text | vector
    embedder : name of the embedder with its argument, such as ``timm:mobilenetv2_100``; None
        where the source came as vectors
    n_features : int
    vote_width : tau of the classifier
    message : what the person who made the campaign should know, such as which embedder was chosen
    checkpoint : weights of the embedder, or None
    reduce : reduction of its vectors, such as ``svd:64``, or None
    metric : which kind of metric learned from labels the vectors went through, or None
    generation : which set of vectors is in use; each re-embedding makes the next one
    """

    kind: Literal["image", "text", "vector"]
    embedder: str | None
    n_features: int
    vote_width: float
    message: str | None = None
    checkpoint: str | None = None
    reduce: str | None = None
    metric: str | None = None
    generation: int = 0

    @property
    def maps(self) -> tuple[str, ...]:
        """Which maps vectors go through after the embedder, in this order."""
        wanted = {"reduction": self.reduce, "metric": self.metric}
        return tuple(name for name, asked in wanted.items() if asked is not None)


@dataclass(frozen=True)
class StoredCampaign:
    """A row of the campaigns table."""

    id: int
    name: str
    created_at: float
    spec: CampaignSpec
    state: str
    error: str | None
    prepared: Prepared | None
    failures: list[Failure]


@dataclass(frozen=True)
class StoredSample:
    """Where the content of a sample is."""

    path: str | None
    text: str | None


class Changes(TypedDict, total=False):
    """What may change with the state of a campaign; what is left out stays as it is."""

    error: str | None
    prepared: Prepared
    failures: Sequence[Failure]


def state_change(campaign_id: int, state: str, **changes: Unpack[Changes]) -> Update:
    """Return the statement that changes the state, to be made part of a transaction."""
    values: dict[str, Any] = {"state": state, "error": changes.get("error")}
    if "prepared" in changes:
        values["prepared"] = asdict(changes["prepared"])
    if "failures" in changes:
        values["failures"] = [failure.model_dump() for failure in changes["failures"]]
    return update(campaigns).where(campaigns.c.id == campaign_id).values(**values)


class Catalog:
    """Reads and writes the campaigns and samples tables."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, spec: CampaignSpec) -> StoredCampaign:
        """Enter a campaign in the state `preparing`; a failed one of that name makes room for it.

        Raises
        ------
        AlreadyExists
            If the name is taken.
        """
        values = {
            "name": spec.name,
            "created_at": time.time(),
            "spec": spec.model_dump(mode="json"),
            "state": "preparing",
            "failures": [],
        }
        try:
            with writing(self._engine) as connection:
                # nothing hangs on a failed one: samples and events are entered when all is ready
                failed = (campaigns.c.name == spec.name) & (campaigns.c.state == "failed")
                connection.execute(delete(campaigns).where(failed))
                connection.execute(insert(campaigns), values)
        except IntegrityError as error:
            raise AlreadyExists(
                f"there is a campaign named {spec.name!r} already", "choose another name"
            ) from error
        return next(stored for stored in self.all() if stored.name == spec.name)

    def all(self) -> list[StoredCampaign]:
        """Return every campaign, oldest first."""
        with self._engine.connect() as connection:
            found = connection.execute(select(campaigns).order_by(campaigns.c.id)).mappings()
            return [_stored(dict(values)) for values in found]

    def set_state(self, campaign_id: int, state: str, **changes: Unpack[Changes]) -> None:
        """Change the state and what goes with it."""
        with writing(self._engine) as connection:
            connection.execute(state_change(campaign_id, state, **changes))

    def sample_ids(self, campaign_id: int) -> list[str]:
        """Return the ids of all samples, in the order of their rows."""
        query = (
            select(samples.c.sample_id)
            .where(samples.c.campaign_id == campaign_id)
            .order_by(samples.c.row)
        )
        with self._engine.connect() as connection:
            return list(connection.execution_options(yield_per=10_000).execute(query).scalars())

    def contents(self, campaign_id: int) -> list[StoredSample]:
        """Return where the contents of all samples are, in the order of their rows."""
        query = (
            select(samples.c.path, samples.c.text)
            .where(samples.c.campaign_id == campaign_id)
            .order_by(samples.c.row)
        )
        with self._engine.connect() as connection:
            found = connection.execution_options(yield_per=10_000).execute(query)
            return [StoredSample(path, text) for path, text in found]

    def sample(self, campaign_id: int, row: int) -> StoredSample:
        """Return where the content of one sample is."""
        query = select(samples.c.path, samples.c.text).where(
            samples.c.campaign_id == campaign_id, samples.c.row == row
        )
        with self._engine.connect() as connection:
            path, text = connection.execute(query).one()
            return StoredSample(path, text)


def _stored(values: dict[str, Any]) -> StoredCampaign:
    # a campaign made before there were random picks goes on without
    values["spec"] = CampaignSpec.model_validate({"random_share": 0.0, **values["spec"]})
    if values["prepared"]:
        # before campaigns could be re-embedded, the checkpoint was that of the spec
        prepared = {"checkpoint": values["spec"].checkpoint, **values["prepared"]}
        values["prepared"] = Prepared(**prepared)
    else:
        values["prepared"] = None
    values["failures"] = [Failure.model_validate(failure) for failure in values["failures"]]
    return StoredCampaign(**values)
