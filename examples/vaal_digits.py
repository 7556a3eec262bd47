"""VAAL on pictures, without a server: arrays in, rows out.

The digits of scikit-learn as colored images; only zeros to fours have labels. A training with a bar
and a checkpoint finds the digits that nobody has labeled yet. Interrupt it and start it again: it
goes on where it was, and ends with the same rows.

    python examples/vaal_digits.py
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from tqdm import tqdm

from strategies.pool import PoolView, Status
from strategies.tie_keys import tie_keys
from strategies.vaal import Vaal

parser = argparse.ArgumentParser(description="Find the digits that have no labels yet.")
parser.add_argument("--checkpoint", type=Path, default=Path("vaal.pt"), help="[%(default)s]")
parser.add_argument("--turns", type=int, default=100, help="at most [%(default)s]")
parser.add_argument("--picks", type=int, default=100, help="[%(default)s]")
options = parser.parse_args()

digits = load_digits()
n_samples = len(digits.target)
gray = np.round(digits.images * (255 / digits.images.max())).astype(np.uint8)
known = np.flatnonzero(digits.target < 5)[:300]

status = np.full(n_samples, Status.UNLABELED, np.int8)
status[known] = Status.LABELED
labels = np.full(n_samples, -1)
labels[known] = digits.target[known]
pixels = digits.data / np.linalg.norm(digits.data, axis=1, keepdims=True)
pool = PoolView(
    embeddings=pixels.astype(np.float32),
    status=status,
    labels=labels,
    tie_key=tie_keys(map(str, range(n_samples))),
    n_classes=10,
    images=np.stack([gray] * 3, axis=3),  # (n_samples, 8, 8, 3)
)

vaal = Vaal(on="images", image_size=16, width=8, latent=16, max_steps=options.turns)
with tqdm() as bar:
    fitted = vaal.fit(
        pool,
        np.random.default_rng(0),
        progress=lambda done: done.show_on(bar),
        checkpoint=options.checkpoint,
    )

rows = fitted.rows[: options.picks]
unknown = digits.target >= 5
print(f"{fitted.n_steps} turns, ended by {fitted.ending}")
print(f"digits without a label: {100 * unknown[pool.candidate_rows()].mean():.0f}% of candidates")
print(f"digits without a label: {100 * unknown[rows].mean():.0f}% of the {len(rows)} picks")
