"""Compile every kernel of the loop before somebody waits for one.

numba compiles on the first call and keeps the result beside the source, so this takes half a minute
once after installing, and a second later on. `python -m al_server.warm_up` does it by hand.
"""

import threading
import time

_lock = threading.Lock()
_done = False


def warm_up() -> float:
    """Put a toy pool through the whole loop, once a process; return the seconds it took."""
    global _done
    with _lock:
        if _done:
            return 0.0
        started = time.perf_counter()
        for multi in (False, True):
            _use_every_kernel(multi=multi)
        _done = True
        return time.perf_counter() - started


def _use_every_kernel(*, multi: bool) -> None:
    import numpy as np

    from al_server.campaign.classifier import VoteSettings
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
    pool = PoolState(embeddings, keys, neighbors, n_classes=2, multi=multi, votes=settings)
    for row in range(10):
        pool.set_sample(row, Status.LABELED, (row % 2,) if multi else row % 2, 2)
        picked = InClass().select(pool.view(), 2, rng)
        InClass().explain(pool.view(), picked)
    for row in range(10):
        pool.set_sample(row, Status.UNLABELED, None, 0)


if __name__ == "__main__":
    print("compiling the kernels; the first time this takes half a minute", flush=True)
    print(f"done in {warm_up():.1f} s")
