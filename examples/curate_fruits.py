"""Which pictures of fruits are worth keeping? Filters, their amounts, and a page of receipts.

The fruits were augmented before they were published: several pictures of one photo. `similars`
should find them, and what it keeps should still be of as many photos.

    python examples/curate_fruits.py --data DATA --out curated.html

It needs the embeddings of the shared data: --data, or AL_TEST_DATA.
"""

import argparse
import os
from pathlib import Path

import numpy as np

from al_server.curation import Pipeline

EMBEDDINGS = "embeddings/fruits_mobilenetv2_1280.npz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("AL_TEST_DATA"))
    parser.add_argument("--out", type=Path, help="page of insights")
    options = parser.parse_args()
    file = None if options.data is None else Path(options.data) / EMBEDDINGS
    if file is None or not file.exists():
        parser.error(f"no {EMBEDDINGS}: name its folder with --data")
    with np.load(file) as arrays:
        vectors, ids = arrays["X"], arrays["ids"].tolist()
        photos, y = arrays["group"], arrays["y"].astype(np.int64)
    pipeline = Pipeline(vectors, ids, classes=y, keep_by="similars")
    n_photos = len(np.unique(photos))
    print(f"{len(ids)} pictures of {n_photos} photos")
    for keep in ("90%", "50%", "20%"):
        curated = pipeline.run(outliers="2%", keep=keep)
        left = len(np.unique(photos[curated.kept]))
        pairs = curated.because_of >= 0
        same = photos[curated.removed[pairs]] == photos[curated.because_of[pairs]]
        print(
            f"keep {keep}: {len(curated.kept)} pictures of {left} photos; of those removed "
            f"{same.mean():.0%} have the same photo as the one that stands for them"
        )
    if options.out is not None:
        from al_server.curation import insights

        insights.write(curated, pipeline.vectors, options.out, classes=y, title="Fruits")


if __name__ == "__main__":
    main()
