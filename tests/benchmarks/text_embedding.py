"""How good and how fast sentence vectors are: `python -m tests.benchmarks.text_embedding`.

The first 10,000 tweets of sentiment140 by `text`: the share that 25 neighbours call right, as the
mean of ten random 80/20 splits, and tweets per second, without a cache.
"""

import argparse
import csv
import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.embedder import embed_all
from embeddings.text_embedder import TextEmbedder
from tests.benchmarks.neighbors_vote import accuracy

K = 25
FLOOR = 0.715


def read_tweets(data: Path, n_tweets: int) -> tuple[list[str], NDArray[np.int64]]:
    """Return the first tweets, and 1 for each that is positive."""
    with (data / "text" / "sentiment140_20k.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row, _ in zip(csv.DictReader(file), range(n_tweets), strict=False)]
    return [r["text"] for r in rows], np.array([r["label"] == "positive" for r in rows], np.int64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("AL_TEST_DATA", "../shared/data")
    )
    parser.add_argument("--n", type=int, default=10_000, help="tweets")
    parser.add_argument("--embedder", default="", help="name or folder [all-MiniLM-L6-v2]")
    options = parser.parse_args()
    tweets, labels = read_tweets(Path(options.data), options.n)
    embedder = TextEmbedder(options.embedder)

    start, start_cpu = time.perf_counter(), time.process_time()
    embedded = embed_all(embedder, tweets, cache=None)
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu

    shares = accuracy(embedded.vectors, labels[embedded.positions], k=K)
    print(f"{embedder.id}, {len(embedded.vectors):,} tweets of {len(tweets):,}")
    print(f"k = {K}: {np.mean(shares):.2%} right, mean of {len(shares)} splits "
          f"({min(shares):.2%} to {max(shares):.2%}); wanted {FLOOR:.1%}")  # fmt: skip
    print(f"{len(tweets) / seconds:.0f} tweets/s ({seconds:.0f} s)")
    print(f"{len(tweets) / cpu:.0f} tweets per second of CPU time")


if __name__ == "__main__":
    main()
