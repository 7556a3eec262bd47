"""Compile every kernel of the loop before somebody waits for one.

numba compiles on the first call and keeps the result beside the source, so this takes minutes once
after installing, and a second later on. `python -m al_server.warm_up` compiles those of all
strategies; a server only readies the loop and the strategies of its campaigns.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from al_server import plugins

if TYPE_CHECKING:
    from al_server.campaign.pool_state import ClassifierName

_lock = threading.Lock()
_done: set[str] = set()
_log = logging.getLogger(__name__)
_LOOP = ""  # in _done


def warm_up(strategy: str = plugins.DEFAULT_STRATEGY) -> float:
    """Put a toy pool through the whole loop, and through a strategy; return the seconds it took.

    What is warm in this process already takes no time.

    Parameters
    ----------
    strategy : name and settings; what does not work is left to whoever uses it
    """
    with _lock:
        started = time.perf_counter()
        if _LOOP not in _done:
            _use_the_loop(multi=False, classifier="propagated")
            for multi in (False, True):
                _use_the_loop(multi=multi, classifier="knn")
            _done.add(_LOOP)
        if strategy not in _done:
            _use_strategy(strategy)
            _done.add(strategy)
        return time.perf_counter() - started


def _use_the_loop(*, multi: bool, classifier: "ClassifierName") -> None:
    import numpy as np

    from al_server.campaign.classifier import VoteSettings
    from al_server.campaign.holdout import HoldoutData
    from al_server.campaign.neighbors import pool_neighbors
    from al_server.campaign.pool_state import PoolState
    from strategies.in_class import InClass
    from strategies.pool import Status

    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(40, 4)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    keys = np.arange(40, dtype=np.uint64)
    neighbors = pool_neighbors(embeddings, keys)
    settings = VoteSettings(k=2, width=1.0, smoothing=0.1)
    pool = PoolState(
        embeddings,
        keys,
        neighbors,
        n_classes=2,
        multi=multi,
        votes=settings,
        holdout=HoldoutData(embeddings[:3], np.zeros((3, 2) if multi else 3, np.int64)),
        classifier=classifier,
        keeps_mass=True,
    )
    for row in range(10):
        pool.set_sample(row, Status.LABELED, (row % 2,) if multi else row % 2, 2)
        picked = InClass().select(pool.view(), 2, rng)
        InClass().explain(pool.view(), picked)
    for row in range(10):
        pool.set_sample(row, Status.UNLABELED, None, 0)
    pool.votes.neighbors_of(0)
    pool.votes.predict(embeddings[:2], pool.index)


def _use_strategy(text: str) -> None:
    """Let it pick from toys, before the first label too, and from one that is large."""
    import numpy as np

    from al_server.campaign.strategy import make_strategy
    from strategies.toy_pool import cold, repeated, toy_pool

    try:
        strategy = make_strategy(text)
        for pool in (toy_pool(), cold(toy_pool())):
            strategy.select(pool, 20, np.random.default_rng(0))
        # large batches and large pools have kernels of their own
        strategy.select(repeated(cold(toy_pool()), 300), 300, np.random.default_rng(0))
    except Exception as error:
        # its own campaign says so when it is asked for a sample
        _log.info("strategy %s could not be warmed up: %s", text, error)


@contextmanager
def _said(what: str) -> Iterator[None]:
    started = time.perf_counter()
    print(f"{what} ... ", end="", flush=True)
    yield
    print(f"{time.perf_counter() - started:.1f} s", flush=True)


def _main() -> None:
    print("compiling the kernels; the first time this takes a minute or two", flush=True)
    with _said("the loop"):
        warm_up()
    for name in plugins.names(plugins.STRATEGIES):
        with _said(name):
            warm_up(name)


if __name__ == "__main__":
    _main()
