"""From "label committed" to "next row known": how long an annotator waits for the loop itself.

    python -m tests.benchmarks.next_pick --n 100000 --dim 64 --strategy in_class --classifier knn

A campaign is made from `emb` data the way a user makes one, labeled with 1,000 labels, opened anew
from its store (timed), and then answers one label at a time. The clock runs from the moment the
label is on disk until the next row is known. Nothing is prepared ahead: the row is picked after the
label. The distances of the sample to the pool were computed when it was leased, as in real use;
`p50_unleased_ms` is the same for labels of samples that were never leased.

The naive way, in the same run and on the same campaign: ask hnswlib for the nearest labels of the
whole pool, vote, rank three scores with scipy, multiply, take the best.

The last line is one JSON object.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from al_server.campaign.loop import Loop
from al_server.campaign.opening import open_loop
from al_server.campaign.pool_files import PoolFiles
from al_server.campaigns import CampaignRegistry
from al_server.config import load_settings
from al_server.models import AnswerIn, CampaignSpec, Source
from al_server.store.catalog import Catalog
from al_server.store.database import open_database, sqlite_url
from strategies.pool import Status

N_CLASSES = 10
_MAKE = """
import sys, numpy as np
from tests.benchmarks.data import emb
made = emb(int(sys.argv[1]), int(sys.argv[2]), n_classes=10)
np.savez(sys.argv[3], X=made.embeddings, y=made.classes.astype(np.int64))
"""


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n", type=int, default=100_000, help="samples in the pool")
    parser.add_argument("--dim", type=int, default=64, help="features")
    parser.add_argument("--labels", type=int, default=1000, help="labels before the clock starts")
    parser.add_argument("--k", type=int, default=10, help="neighbours that vote")
    parser.add_argument("--strategy", default="in_class")
    parser.add_argument("--classifier", default="knn")
    parser.add_argument("--trials", type=int, default=None, help="default: 200, or 60 at 1M")
    parser.add_argument("--data", type=Path, default=None, help="folder to keep and use again")
    parser.add_argument("--prepare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.data or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        step = prepare if options.prepare else run
        result = step(options, folder)
    print(json.dumps(result))


def run(options: argparse.Namespace, folder: Path) -> dict[str, float | int | str]:
    """Prepare, restart, measure."""
    source = folder / "made.npz"
    if not source.exists():
        # in a process of its own, so that its memory is not counted here
        subprocess.run(
            [sys.executable, "-c", _MAKE, str(options.n), str(options.dim), str(source)], check=True
        )
    classes = np.load(source)["y"]
    preparing = subprocess.run(
        [sys.executable, "-m", __spec__.name, *sys.argv[1:], "--data", str(folder), "--prepare"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    prepared = json.loads(preparing.stdout)
    started = time.perf_counter()
    loop = reopen(folder)
    startup_s = time.perf_counter() - started
    print(f"prepared in {prepared['seconds']} s, opened again in {startup_s:.2f} s")
    n_trials = options.trials or (200 if options.n <= 200_000 else 60)
    first_pick(loop)  # kernels are compiled, or loaded from their cache, before the clock
    leased = measure(loop, classes, n_trials, lease=True)
    unleased = measure(loop, classes, n_trials // 2, lease=False)
    rss_mb = max(peak_mb(), prepared["rss_mb"])
    naive = [naive_pick(loop, options.k) for _ in range(3)]
    p50 = float(np.median(leased))
    return {
        "n": options.n,
        "dim": options.dim,
        "strategy": options.strategy,
        "classifier": options.classifier,
        "p50_ms": round(p50, 3),
        "p99_ms": round(float(np.percentile(leased, 99)), 3),
        "p50_unleased_ms": round(float(np.median(unleased)), 3),
        "rss_mb": rss_mb,
        "prepare_rss_mb": prepared["rss_mb"],
        "naive_ms": round(float(np.median(naive)), 1),
        "ratio_naive": round(float(np.median(naive)) / p50, 1),
        "startup_s": round(startup_s, 2),
        "n_trials": n_trials,
    }


def peak_mb() -> int:
    """Return the most memory that this process has held, in MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def prepare(options: argparse.Namespace, folder: Path) -> dict[str, float | int | str]:
    """Make the campaign and its first labels, unless the folder holds them.

    In a process of its own: a server that has prepared a pool and one that has opened it again are
    two servers.
    """
    started = time.perf_counter()
    source = folder / "made.npz"
    settings = load_settings({"data": folder / "data", "roots": (folder,)}, environ={})
    registry = CampaignRegistry(settings)
    if not registry.infos():
        registry.create(
            CampaignSpec(
                name="bench",
                classes=[str(c) for c in range(N_CLASSES)],
                source=Source(kind="npz", path=str(source)),
                strategy=options.strategy,
                classifier=options.classifier,
                k=options.k,
                random_share=0,
            )
        )
        while (info := registry.info("bench")).state == "preparing":
            time.sleep(0.05)
        if info.state == "failed":
            raise SystemExit(info.error)
        classes = np.load(source)["y"]
        rows = np.random.default_rng(1).choice(options.n, options.labels, replace=False)
        registry.campaign("bench").record_labels([answer(int(row), classes) for row in rows])
    registry.close()
    return {"seconds": round(time.perf_counter() - started, 1), "rss_mb": peak_mb()}


def reopen(folder: Path) -> Loop:
    """Build the loop from its store, as a start of the server does."""
    engine = open_database(sqlite_url(folder / "data" / "al.db"))
    stored = Catalog(engine).all()[0]
    files = PoolFiles(folder / "data" / "campaigns" / str(stored.id))
    return open_loop(stored, engine=engine, files=files)


def answer(row: int, classes: NDArray[np.int64]) -> AnswerIn:
    """Return the oracle's answer; ids of an .npz without ids are its row numbers."""
    return AnswerIn(sample_id=str(row), label=str(classes[row]), annotator="oracle")


def first_pick(loop: Loop) -> None:
    """Pick once, unmeasured."""
    loop.peek()


def measure(loop: Loop, classes: NDArray[np.int64], n_trials: int, *, lease: bool) -> list[float]:
    """Return milliseconds from a label on disk to the next row, one a trial."""
    times = []
    for _ in range(n_trials):
        row = loop.peek()
        assert row is not None
        if lease:
            loop.offer("oracle", 1)
            loop.catch_up()
        loop.record([answer(row, classes)])
        started = time.perf_counter()
        loop.peek()
        times.append(1000 * (time.perf_counter() - started))
    return times


def naive_pick(loop: Loop, k: int) -> float:
    """Return milliseconds that the obvious way takes for the same pick."""
    import hnswlib

    view = loop.pool.view()
    assert view.density is not None and view.cover_distance is not None
    labeled = np.flatnonzero(view.labels >= 0)
    index = hnswlib.Index(space="ip", dim=view.embeddings.shape[1])
    index.init_index(max_elements=len(labeled) + 1, M=16, ef_construction=200)
    index.add_items(view.embeddings[labeled], labeled)
    index.set_ef(50)  # as in hnswlib's own README, like M and ef_construction
    started = time.perf_counter()
    rows, distances = index.knn_query(view.embeddings, k=k)
    weights = np.exp(-2 * distances / loop.pool.width)
    votes = np.zeros((len(rows), view.n_classes))
    for place in range(k):
        votes[np.arange(len(rows)), view.labels[rows[:, place]]] += weights[:, place]
    votes /= votes.sum(axis=1, keepdims=True)
    best_two = np.partition(votes, -2, axis=1)[:, -2:]
    candidates = np.flatnonzero(view.status == Status.UNLABELED)
    margin = 1 - (best_two[:, 1] - best_two[:, 0])
    score = (
        rankdata(margin[candidates])
        * rankdata(view.density[candidates])
        * rankdata(view.cover_distance[candidates])
    )
    candidates[score.argmax()]
    return 1000 * (time.perf_counter() - started)


if __name__ == "__main__":
    main()
