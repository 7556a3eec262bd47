"""One million vectors through `al-server filter`, from file to folder.

    python -m tests.benchmarks.curate_million             # 1,000,000 x 64, `emb`
    python -m tests.benchmarks.curate_million --n 20000   # a look

Outliers 5%, similars 10%, kept 50% by adjacency, with receipts and insights. Prints the command's
own words, its seconds and its highest memory; the last line is JSON.
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

from tests.benchmarks.data import emb


def main() -> None:
    """Make the vectors, run the command, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=64)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pool, out = Path(folder, "pool.npz"), Path(folder, "kept")
        ids = np.array([f"{row:07}.jpg" for row in range(asked.n)])
        np.savez(pool, X=emb(asked.n, asked.dim).embeddings, ids=ids)
        command = [sys.executable, "-c", "from al_server.cli import main; main()", "filter", pool,
                   "--outliers", "5%", "--similars", "10%", "--keep", "50%",
                   "--keep-by", "adjacency", "--out", out, "--data", folder]  # fmt: skip
        start = time.perf_counter()
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        n_kept = len((out / "kept.txt").read_text("utf-8").splitlines())
    print(json.dumps({"n": asked.n, "dim": asked.dim, "n_kept": n_kept,
                      "seconds": round(seconds, 1), "peak_gib": round(peak, 2)}))  # fmt: skip


if __name__ == "__main__":
    main()
