"""From a pool to a ranking of its candidates: the loop around a training."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import expit

from strategies.pool import PoolView
from strategies.scores import best_first
from strategies.vaal import checkpoints
from strategies.vaal.report import Ending, Fitted, Progress
from strategies.vaal.samples import samples_of
from strategies.vaal.training import Training, start

if TYPE_CHECKING:
    from strategies.vaal.strategy import On, Vaal

SECONDS_BETWEEN_SAVES = 10.0

# two trainings at once would only fight for the cores, and over torch's settings
_one_at_a_time = RLock()


class Hooks(NamedTuple):
    """What the caller of `Vaal.fit` wants to be told, to be asked and to be kept."""

    progress: Callable[[Progress], None] | None = None
    should_stop: Callable[[], bool] | None = None
    checkpoint: Path | None = None


def fit(settings: "Vaal", pool: PoolView, rng: np.random.Generator, hooks: Hooks) -> Fitted:
    """Train on a pool and rank its candidates; `Vaal.fit` says how."""
    if hooks.checkpoint is not None and not hooks.checkpoint.parent.is_dir():
        raise ValueError(f"checkpoint {hooks.checkpoint} is in no folder that exists; make it")
    samples = samples_of(pool, settings.on)
    candidates = samples.rows[samples.unlabeled]
    if len(samples.labeled) == 0 or len(candidates) == 0:
        coin = np.full(len(candidates), 0.5, np.float32)
        return Fitted(rng.permutation(candidates), coin, ending="cold", n_steps=0, losses=None)
    seed = int(rng.integers(2**63))
    with _torch_for(settings.on):
        training = start(settings, samples, seed)
        ending = _run(training, hooks)
        logits = training.judge().astype(np.float64)
    order = best_first(-logits, pool.tie_key[candidates], len(candidates))
    return Fitted(
        rows=candidates[order],
        scores=expit(-logits[order]).astype(np.float32),
        ending=ending,
        n_steps=training.step,
        losses=training.losses,
    )


def _run(training: Training, hooks: Hooks) -> Ending:
    """Train until it ends, from where a checkpoint left it."""
    keep = _keeper(training, hooks.checkpoint)
    began_at, began, saved = training.step, monotonic(), monotonic()
    is_asked_to_stop = False
    while training.step < training.n_steps and not training.is_on_plateau:
        if hooks.should_stop is not None and (is_asked_to_stop := hooks.should_stop()):
            break
        training.take_turn()
        if not training.is_due_for_check:
            continue
        losses = training.check()
        if monotonic() - saved > SECONDS_BETWEEN_SAVES:
            keep()
            saved = monotonic()
        if hooks.progress is not None:
            step, total = training.step, training.n_steps
            pace = (monotonic() - began) / (step - began_at)
            hooks.progress(Progress(step, total, losses, pace * (total - step)))
    if training.step > began_at:
        keep()
    if is_asked_to_stop:
        return "stopped"
    return "plateau" if training.is_on_plateau else "length"


def _keeper(training: Training, path: Path | None) -> Callable[[], None]:
    """Take a training up from its checkpoint; return what keeps it there."""
    if path is None:
        return lambda: None
    identity = checkpoints.identity(training)
    if path.exists():
        checkpoints.restore(training, path, identity)
    return lambda: checkpoints.save(training, path, identity)


@contextmanager
def _torch_for(on: "On") -> Iterator[None]:
    """Set torch to give the same bits every time; leave it as it was found."""
    import torch

    with (
        _one_at_a_time,
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.backends.cudnn.flags(
            enabled=torch.backends.cudnn.enabled,
            benchmark=False,
            deterministic=True,
            allow_tf32=False,
        ),
    ):
        n_threads = torch.get_num_threads()
        # layers this small gain little from a second thread, and lose tenfold where it has to
        # wait for a core; and the bits do not depend on how many cores there are
        if on == "embeddings":
            torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(n_threads)
