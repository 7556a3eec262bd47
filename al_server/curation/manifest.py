"""What a curation was made from, so that it can be made again, bit for bit.

In a notebook::

    from al_server.curation import Pipeline, manifest

    curation = manifest.curate(Pipeline(vectors, ids), {"outliers": "5%"}, keep="50%")
    text = curation.manifest.to_json()
    curated = manifest.replay(manifest.from_json(text), vectors, ids)  # or an error that says why
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.curation.amounts import Amount
from al_server.curation.curated import Curated
from al_server.curation.pipeline import Pipeline
from al_server.errors import BadInput
from strategies.provenance import differences, hash_array, versions

if TYPE_CHECKING:
    from strategies.filters.points import Filter, Metric

FORMAT: Final = 1


@dataclass(frozen=True)
class Manifest:
    """Everything that decides about a curation, and what came of it.

    Hashes are taken in the order of the ids' hashes: samples in another order have the same ones.

    Attributes
    ----------
    chain : texts of the filters, in their order
    amounts : by filter, as they were asked for
    keep : how many stay, as asked for, or None
    keep_by : text of the filter that reaches it
    metric : what distances mean
    k : neighbors of each sample
    settings : of each filter, defaults too, as text
    versions : of Python, of the packages that decide, and the processor
    inputs : shape and SHA-256 of vectors, ids, classes and contents
    counts : how many samples there were, stay, and went by each filter
    kept : SHA-256 of the names that stay, sorted
    made_of : where the samples came from and what embedded them; decides nothing
    format : version of this list
    """

    chain: tuple[str, ...]
    amounts: dict[str, Amount]
    keep: Amount | None
    keep_by: str
    metric: "Metric"
    k: int
    settings: dict[str, str]
    versions: dict[str, str]
    inputs: dict[str, str]
    counts: dict[str, int]
    kept: str
    made_of: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    def to_json(self) -> str:
        """Return it as indented JSON."""
        return json.dumps(asdict(self), indent=2)


class Curation(NamedTuple):
    """What stays and goes, and from what it was made."""

    curated: Curated
    manifest: Manifest


def curate(
    pipeline: Pipeline,
    amounts: Mapping[str, Amount],
    *,
    keep: Amount | None = None,
    made_of: Mapping[str, Any] | None = None,
) -> Curation:
    """Run a pipeline, as `Pipeline.run` does, and write down from what."""
    curated = pipeline.run(amounts, keep=keep)
    counts = Counter(samples=len(curated.sample_ids), kept=len(curated.kept))
    for step in curated.steps:
        counts[f"removed by {step.name}"] += step.n_removed
    written = Manifest(
        chain=pipeline.chain,
        amounts={name: _plain(amount) for name, amount in amounts.items()},
        keep=None if keep is None else _plain(keep),
        keep_by=pipeline.keep_by,
        metric=pipeline.metric,
        k=pipeline.k,
        settings={name: repr(one) for name, one in pipeline.filters.items()},
        versions=versions(),
        inputs=_inputs(pipeline),
        counts=dict(counts),
        kept=_hash_texts(sorted(curated.sample_ids[row] for row in curated.kept)),
        made_of=dict(made_of or {}),
    )
    return Curation(curated, written)


def replay(
    manifest: Manifest,
    vectors: NDArray[Any],
    sample_ids: Sequence[str],
    *,
    classes: NDArray[Any] | None = None,
    contents: NDArray[np.uint8] | None = None,
    filters: "Sequence[Filter]" = (),
) -> Curated:
    """Curate again, with the same samples kept; the order of samples may be another one.

    Other versions alone are no obstacle where the same samples come of them.

    Parameters
    ----------
    manifest : of the curation
    vectors, sample_ids, classes, contents : as they were given then
    filters : those of the chain that no text makes, such as the image checks; told by `reason`

    Raises
    ------
    BadInput
        If the samples are others, or others are kept; it says what differs.
    """
    made = {one.reason: one for one in filters}
    pipeline = Pipeline(
        vectors,
        sample_ids,
        classes=classes,
        contents=contents,
        metric=manifest.metric,
        chain=[made.get(name, name) for name in manifest.chain],
        keep_by=made.get(manifest.keep_by, manifest.keep_by),
        k=manifest.k,
    )
    differs = differences("samples", manifest.inputs, _inputs(pipeline))
    if differs:
        raise BadInput(
            f"these are not the samples of the manifest: {'; '.join(differs)}",
            "give the vectors, ids, classes and contents that it was made from",
        )
    curated, again = curate(pipeline, manifest.amounts, keep=manifest.keep)
    if again.kept != manifest.kept:
        differs = [
            *differences("settings", manifest.settings, again.settings),
            *differences("versions", manifest.versions, again.versions),
            *differences("counts", manifest.counts, again.counts),
        ]
        raise BadInput(
            "other samples are kept now: "
            + ("; ".join(differs) or "settings, versions and samples are the same"),
            "install the versions that the manifest names",
        )
    return curated


def from_json(text: str) -> Manifest:
    """Read a manifest.

    Raises
    ------
    BadInput
        If the text is none, or one of a later format.
    """
    remedy = "name the manifest.json of a curation"
    try:
        given = json.loads(text)
        if given["format"] > FORMAT:
            raise BadInput(
                f"the manifest is of format {given['format']}, this version reads {FORMAT}",
                "install a later version",
            )
        return Manifest(**{**given, "chain": tuple(given["chain"])})
    except (TypeError, KeyError, json.JSONDecodeError) as error:
        raise BadInput(f"this is no manifest of a curation: {error!r}", remedy) from error


def _plain(amount: Amount) -> Amount:
    """Return a number of numpy as one of Python, which JSON knows."""
    return amount.item() if isinstance(amount, np.generic) else amount


def _inputs(pipeline: Pipeline) -> dict[str, str]:
    """Return the hash of what decides, in the order of tie keys."""
    from strategies.tie_keys import tie_keys

    order = np.argsort(tie_keys(pipeline.sample_ids), kind="stable")
    arrays = {
        "vectors": pipeline.vectors,
        "classes": pipeline.classes,
        "contents": pipeline.contents,
    }
    found = {name: hash_array(array, order) for name, array in arrays.items() if array is not None}
    return found | {"sample_ids": _hash_texts(pipeline.sample_ids[row] for row in order)}


def _hash_texts(texts: Iterable[str]) -> str:
    digest = sha256()
    for text in texts:
        digest.update(json.dumps(text).encode() + b"\n")
    return digest.hexdigest()
