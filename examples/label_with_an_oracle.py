"""Label over HTTP: an oracle that knows the digits of scikit-learn answers what a server asks.

Start a server in one terminal and this in another:

    al-server serve --data data
    python examples/label_with_an_oracle.py --data data

The whole protocol is three requests: make a campaign, ask for the next sample, answer.
"""

import argparse
import time
from pathlib import Path

import httpx
import numpy as np
from sklearn.datasets import load_digits

parser = argparse.ArgumentParser(description="Let an oracle label digits.")
parser.add_argument("--url", default="http://127.0.0.1:9090", help="the server [%(default)s]")
parser.add_argument(
    "--data", type=Path, default=Path("data"), help="a folder the server may read [%(default)s]"
)
parser.add_argument("--labels", type=int, default=100, help="how many to give [%(default)s]")
options = parser.parse_args()

digits = load_digits()
held_out = np.random.default_rng(0).permutation(len(digits.target)) < 300
pool, holdout = (options.data.resolve() / f"example-{part}.npz" for part in ("pool", "holdout"))
np.savez(pool, X=digits.data[~held_out])  # ids are row numbers where none are given
np.savez(holdout, X=digits.data[held_out], y=digits.target[held_out])
truth = digits.target[~held_out]

name = f"oracle-{int(time.time())}"
campaign = f"{options.url}/api/v1/campaigns/{name}"
with httpx.Client(timeout=60) as client:
    spec = {
        "name": name,
        "classes": [str(digit) for digit in range(10)],
        "source": {"kind": "npz", "path": str(pool)},
        "holdout": str(holdout),
    }
    client.post(f"{options.url}/api/v1/campaigns", json=spec).raise_for_status()
    while client.get(campaign).json()["state"] == "preparing":
        time.sleep(0.1)

    for n_labels in range(1, options.labels + 1):
        question = client.get(f"{campaign}/next", params={"annotator": "oracle"}).json()
        sample_id = question["samples"][0]["sample_id"]
        answer = {
            "sample_id": sample_id,
            "label": str(truth[int(sample_id)]),
            "annotator": "oracle",
            # sent twice by a network that hiccups, an answer with a key counts once
            "key": f"oracle-{sample_id}",
        }
        client.post(f"{campaign}/labels", json={"labels": [answer]}).raise_for_status()
        if n_labels % 20 == 0 or n_labels == options.labels:
            accuracy = client.get(campaign).json()["holdout_accuracy"]
            print(f"{n_labels:4} labels: {accuracy:.1%} right on {held_out.sum()} others")
