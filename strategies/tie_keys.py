"""From sample ids to the keys that decide between equal scores."""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def tie_keys(sample_ids: Iterable[str]) -> NDArray[np.uint64]:
    """Hash ids to uint64, so that ties fall the same way whatever the order of the rows.

    Returns
    -------
    uint64 array of shape (n_samples,)
    """
    digests = b"".join(
        hashlib.blake2b(sample_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for sample_id in sample_ids
    )
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)
