"""Ray: embedding on many machines, and an executor for whatever takes one.

Plain actors, not Ray Data: Ray Data cuts blocks of its own, and which items share a batch must
follow from the items alone, in order, with each batch kept as soon as it is done. One actor a GPU,
or one a machine where there are none; each holds the embedder, and decodes one batch while it
embeds another. The caller reads the files and asks the cache: nothing is embedded twice.
"""

import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.campaign.embedding import make_embedder
from al_server.errors import BadInput
from embeddings.batch_trial import BatchShape, Tunable
from embeddings.errors import EmbedderUnavailable
from embeddings.pipeline import Answer, Answers, Batch, Content, Source, answer, decode
from integrations.ray_cluster import RayExecutor, alive_nodes, connected

if TYPE_CHECKING:
    import click
    from flask import Blueprint

    from al_server.campaigns import CampaignRegistry
    from al_server.config import Settings
    from embeddings.embedder import Embedder, Item

_START_S = 600.0  # until every worker has loaded its network
_TASKS_EACH = 2  # one is decoded while the other is embedded
_RESULTS_EACH = 4  # finished or not, that may wait for one before them
_BATCH_SIZE = {"image": 8, "text": 1024}


class RayIntegration:
    """Ray, as `al_server.integration.Integration` wants it: the server itself needs nothing."""

    def __init__(self, settings: "Settings", registry: "CampaignRegistry") -> None:
        pass

    def blueprints(self) -> "list[Blueprint]":
        """Return no addresses."""
        return []

    def start(self) -> None:
        """Nothing runs in the background."""

    def close(self) -> None:
        """Nothing is to be ended."""

    @staticmethod
    def command() -> "click.Command":
        """Return `al-server ray`."""
        from integrations.ray_command import ray_nodes

        return ray_nodes

    @staticmethod
    @contextmanager
    def embedder(
        name: str, *, checkpoint: Path | None, sample: "Sequence[Item]", address: str
    ) -> "Iterator[RayEmbedder]":
        """Make an embedder that works on every machine of a cluster, for as long as this lasts.

        Parameters
        ----------
        name, checkpoint, sample : as `al_server.campaign.embedding.make_embedder` takes them
            A file or folder within `name` must be there on every machine, under the same path;
            a checkpoint, and what a fitted embedder has learned, are sent.
        address : str
            HOST:PORT, `auto`, or `local`: a cluster on this machine alone.

        Raises
        ------
        BadInput
            If Ray is not installed, or does not answer.
        EmbedderUnavailable
            If the embedder cannot be made here or there, or is another one there.
        """
        with connected(address), tempfile.TemporaryDirectory(prefix="al-ray-") as folder:
            state = Path(folder)
            here = make_embedder(name, checkpoint=checkpoint, sample=sample, state_dir=state)
            recipe = Recipe(name, _file(checkpoint), [f for f in map(_file, state.iterdir()) if f])
            made = RayEmbedder(here, recipe)
            try:
                yield made
            finally:
                made.close()

    @staticmethod
    def executor(address: str) -> "RayExecutor":
        """Return an executor over a cluster, such as `al_server.lab.comparison.compare` takes."""
        return RayExecutor(address)


class Recipe(NamedTuple):
    """What a worker makes its embedder of: files as (name, bytes)."""

    name: str
    checkpoint: tuple[str, bytes] | None
    state: list[tuple[str, bytes]]


class Described(NamedTuple):
    """What a worker says of its embedder."""

    id: str
    machine: str
    batch_size: int
    shapes: list[BatchShape]


class RayEmbedder:
    """An embedder (`embeddings.embedder.Embedder`) whose work is done by the actors of a cluster.

    Vectors are those of one process, up to rounding (1e-5): same batches, in the same order. A
    caller that is killed loses the batches that were under way, a few for each worker.
    """

    def __init__(self, embedder: "Embedder", recipe: Recipe) -> None:
        import ray

        self.id, self.n_features = embedder.id, embedder.n_features
        self.content: Literal["image", "text"] = embedder.content
        sent = ray.put(recipe)
        # typed Any: what ray.remote returns has no methods that mypy could know
        self._workers: list[Any] = [make(sent) for make in _places()]
        try:
            described = _got([one.describe.remote() for one in self._workers], timeout=_START_S)
        except BaseException:
            self.close()
            raise
        others = {one.id for one in described} - {self.id}
        if others:
            self.close()
            raise EmbedderUnavailable(
                f"{self.id} is {', '.join(sorted(others))} on some machine of the cluster",
                "install the same versions of torch and timm everywhere",
            )
        self.machine: str = described[0].machine
        self._shapes: list[BatchShape] = described[0].shapes
        self.batch_size = described[0].batch_size
        self._shape: BatchShape | None = None

    def close(self) -> None:
        """End the workers."""
        import ray

        for worker in self._workers:
            ray.kill(worker)
        self._workers = []

    def batch_shapes(self) -> Sequence[BatchShape]:
        """Return what a worker would try; see `batch_trial.Tunable`."""
        return self._shapes

    def set_batch_shape(self, shape: BatchShape) -> None:
        """Let every worker expect batches of this shape."""
        self._shape = shape

    def embed_batch(self, items: Sequence[Content]) -> NDArray[np.float32]:
        """Embed on the first worker: for the trial."""
        rows: NDArray[np.float32] = _got(
            self._workers[0].embed_batch.remote(list(items), self._shape)
        )
        return rows

    def embed_batches(self, batches: Iterator[Batch]) -> Answers:
        """Answer batches in order, each on the next worker that is free."""
        import ray

        nothing = Answer(np.empty((0, self.n_features), np.float32), {})
        free = deque(self._workers * _TASKS_EACH)
        busy: dict[Any, Any] = {}
        ahead: deque[tuple[Batch, Any]] = deque()

        def taken() -> tuple[Batch, Answer]:
            batch, task = ahead.popleft()
            return batch, nothing if task is None else Answer(*_got(task))

        for batch in batches:
            task = None
            if batch.sources:
                while not free:
                    done, _ = ray.wait(list(busy), num_returns=1)
                    free.extend(busy.pop(one) for one in done)
                worker = free.popleft()
                task = worker.answer.remote(batch.sources, self._shape)
                busy[task] = worker
            ahead.append((batch, task))
            while len(ahead) > _RESULTS_EACH * len(self._workers):
                yield taken()
        while ahead:
            yield taken()


class Worker:
    """What an actor holds: the embedder, made there."""

    def __init__(self, recipe: Recipe) -> None:
        with tempfile.TemporaryDirectory(prefix="al-ray-") as folder:
            state = Path(folder, "state")
            state.mkdir()
            for name, content in recipe.state:
                (state / name).write_bytes(content)
            checkpoint = None
            if recipe.checkpoint is not None:
                checkpoint = Path(folder, recipe.checkpoint[0])
                checkpoint.write_bytes(recipe.checkpoint[1])
            self._embedder = make_embedder(
                recipe.name, checkpoint=checkpoint, sample=(), state_dir=state
            )
        self._threads = ThreadPoolExecutor(max(2, os.cpu_count() or 1))
        self._one_at_a_time = threading.Lock()
        self._shape: BatchShape | None = None

    def describe(self) -> Described:
        """Say what was made."""
        made = self._embedder
        size: int = getattr(made, "batch_size", _BATCH_SIZE[made.content])
        if isinstance(made, Tunable):
            return Described(made.id, f"ray, {made.machine}", size, list(made.batch_shapes()))
        return Described(made.id, "ray", size, [BatchShape(size)])

    def embed_batch(self, items: list[Content], shape: BatchShape | None) -> NDArray[np.float32]:
        """Embed what is decoded already."""
        with self._one_at_a_time:
            self._set(shape)
            return self._embedder.embed_batch(items)

    def answer(self, sources: list[Source], shape: BatchShape | None) -> Answer:
        """Decode and embed one batch."""
        contents = list(self._threads.map(lambda one: decode(self._embedder, one), sources))
        with self._one_at_a_time:
            self._set(shape)
            return answer(self._embedder, contents)

    def _set(self, shape: BatchShape | None) -> None:
        # said with every batch: an actor that Ray has started anew remembers nothing
        if shape is not None and shape != self._shape and isinstance(self._embedder, Tunable):
            self._embedder.set_batch_shape(shape)
            self._shape = shape


def _places() -> list[Callable[[Any], Any]]:
    """Return one maker of an actor for every GPU; or, without any, for every machine."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = alive_nodes()
    on_gpus = any(node["Resources"].get("GPU", 0) >= 1 for node in nodes)
    makers = []
    for node in nodes:
        n_gpus, n_cpus = (int(node["Resources"].get(kind, 0)) for kind in ("GPU", "CPU"))
        n_workers = n_gpus if on_gpus else min(n_cpus, 1)
        options: Any = {
            "num_gpus": 1 if on_gpus else 0,
            "num_cpus": max(1, n_cpus // max(n_workers, 1)),
            "max_concurrency": _TASKS_EACH,
            "max_restarts": 2,
            "max_task_retries": 2,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
        }
        actor: Any = ray.remote(**options)(Worker)
        makers += [actor.remote] * n_workers
    if not makers:
        raise BadInput("the Ray cluster has no CPU to work on", "add a machine to it")
    return makers


def _got(tasks: Any, timeout: float | None = None) -> Any:
    """Wait for results; tell what went wrong on the other side as if it were here."""
    import ray
    from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

    try:
        return ray.get(tasks, timeout=timeout)
    except GetTimeoutError as error:
        raise EmbedderUnavailable(
            f"the Ray cluster did not start every worker within {timeout:.0f} s",
            "see in `ray status` what takes its CPUs and GPUs",
        ) from error
    except RayTaskError as error:
        raise getattr(error, "cause", None) or error from None
    except RayActorError as error:
        raise EmbedderUnavailable(
            f"a worker of the Ray cluster was lost: {str(error).splitlines()[0]}",
            "run the same again: finished batches are in the cache",
        ) from error


def _file(path: Path | None) -> tuple[str, bytes] | None:
    return None if path is None else (path.name, path.read_bytes())
