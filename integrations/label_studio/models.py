"""What crosses the door of the integration's own endpoints."""

from typing import Literal

from pydantic import Field

from al_server.answers import Failure
from al_server.models import Model, Name

FAILING = "background work is tried again"
"""How the problem begins that goes away by itself."""


State = Literal["connecting", "connected", "waiting", "failed", "disconnecting", "disconnected"]


class ConnectIn(Model):
    """A project of Label Studio to be connected."""

    url: str = Field(min_length=1, max_length=2048, description="address of Label Studio")
    token: str = Field(
        min_length=1,
        max_length=4096,
        repr=False,
        description="legacy token or personal access token of a user who may change the project",
    )
    project: int = Field(ge=1, description="its number, as in the address of its page")
    name: Name | None = Field(
        None, description="name of the campaign; left out: `label-studio-` and the project"
    )
    control: str | None = Field(
        None, max_length=200, description="name of the control tag, where there are several"
    )
    backend_url: str | None = Field(
        None,
        max_length=2048,
        description="address of this server as Label Studio reaches it; left out: host and port",
    )
    embedder: str | None = Field(None, max_length=200)
    checkpoint: str | None = None
    classifier: Literal["knn", "propagated"] | None = None
    k: int = Field(10, ge=1, le=100)
    random_share: float = Field(0.1, ge=0, le=1, allow_inf_nan=False)
    strategy: str = Field("default", max_length=100)
    budget: int | None = Field(None, ge=0)
    holdout: str | None = Field(None, max_length=4096)
    seed: int = Field(0, ge=0, lt=2**63)


class QueueInfo(Model):
    """The short queue."""

    waiting: int = Field(description="tasks that nobody has opened")
    opened: int = Field(description="tasks that an annotator has opened and not answered")
    target: int = Field(description="how many should wait")
    next: list[int] = Field(description="the tasks served next, the first ten")


class ConnectionInfo(Model):
    """A connection as it stands."""

    campaign: str
    url: str
    project: int
    state: State
    message: str | None = Field(None, description="what it is doing")
    progress: float = Field(ge=0, le=1)
    error: str | None = None
    remedy: str | None = None
    label_at: str | None = Field(None, description="where annotators begin")
    queue: QueueInfo | None = None
    n_annotations: int = 0
    n_events: int = Field(0, description="calls of the webhook since the start")
    n_missed: int = Field(0, description="changes found by looking that no webhook had told")
    lag_s: float | None = Field(None, description="from the newest annotation to its webhook")
    handled_p95_s: float | None = Field(None, description="time that the webhook takes")
    reconciled_at: float | None = None
    problems: list[str] = Field([], description="settings that keep the picks from being served")
    failures: list[Failure] = Field([], description="tasks left out, the first 100")
    n_failures: int = 0


class Connections(Model):
    """All connections."""

    connections: list[ConnectionInfo]
