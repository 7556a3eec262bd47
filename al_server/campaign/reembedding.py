"""Other vectors for the samples of a running campaign: made beside the old ones, and compared.

Nothing here changes the campaign: its vectors stay in use until `Campaign.change_vectors`.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from al_server.campaign.campaign import Campaign
from al_server.campaign.intake import Intake, Recipe, Workplace, choose_reduction
from al_server.campaign.names import tie_keys
from al_server.campaign.pool_files import PoolFiles
from al_server.errors import ALError, BadInput, BadSource
from al_server.models import ReembedIn
from al_server.sources.listing import Listing, only, shown
from al_server.store.catalog import Catalog, Prepared
from embeddings.errors import EmbeddingError
from embeddings.metric_learning import Kind, Metric, cross_validated, learn_metric
from embeddings.neighbor_votes import Labels, Vectors, right_votes
from embeddings.paired_gain import PairedGain, paired_gain
from embeddings.reduction import NONE, Reduction, apply_all, parse_reduction
from embeddings.reduction_fit import fit_reduction

MOST_COMPARED = 5000
"""Labeled samples that old and new vectors are compared on; of more, so many are drawn."""


@dataclass(frozen=True)
class NewVectors:
    """Vectors that a campaign may go on with.

    Attributes
    ----------
    prepared : what the campaign would be with them
    files : where they are
    gain : right votes of the nearest labeled samples, with the old vectors and with these
    metric : what was learned from labels, or None where that was not asked for
    """

    prepared: Prepared
    files: PoolFiles
    gain: PairedGain
    metric: Metric | None


@dataclass(frozen=True)
class _Labeled:
    """The labels of a campaign at one moment, by row."""

    rows: NDArray[np.int64]
    labels: Labels


def check_request(asked: ReembedIn, prepared: Prepared, task: str) -> None:
    """Refuse what cannot be, before the long work.

    Raises
    ------
    BadInput
        It says what does not fit.
    EmbedderUnavailable
        If there is no such reduction.
    """
    parse_reduction(asked.reduce)
    if asked.embedder is None and asked.reduce is None and not asked.learn_metric:
        raise BadInput("nothing is to change", "name an embedder, a reduction, or learn a metric")
    if asked.checkpoint is not None and asked.embedder is None:
        raise BadInput(
            "a checkpoint alone does not say which network it belongs to",
            "name it: embedder timm:NAME",
        )
    if asked.embedder is not None and prepared.kind == "vector":
        raise BadInput(
            f"the samples are vectors: embedder {asked.embedder!r} has nothing to embed",
            "reduce them, learn a metric, or make a campaign from the pictures or texts",
        )
    if asked.learn_metric and task == "multi":
        raise BadInput(
            "a metric is learned from one label a sample; this campaign gives several",
            "leave the metric out",
        )


def make_vectors(
    campaign: Campaign, asked: ReembedIn, *, catalog: Catalog, workplace: Workplace
) -> NewVectors:
    """Embed all samples of a campaign anew, in files of their own, and compare.

    Raises
    ------
    ALError, EmbeddingError
        If the embedder, a sample or the holdout cannot be used; what is written is of no use then.
    """
    spec, old = campaign.spec, campaign.prepared
    is_new = asked.embedder is not None
    recipe = (
        Recipe(asked.embedder, asked.checkpoint) if is_new else Recipe(old.embedder, old.checkpoint)
    )
    files = campaign.files.of_generation(old.generation + 1)
    if not is_new and campaign.files.embedder_state.exists():
        # the vectors that it made are in the cache
        shutil.copytree(campaign.files.embedder_state, files.embedder_state, dirs_exist_ok=True)
    if asked.switch != "always":  # refused now, and not after the long work
        _without_metric(campaign, _labeled(campaign).rows, catalog, workplace)
    intake = Intake(spec, files, workplace)
    listing = intake.embed(_listing(campaign, catalog), recipe)
    _check_all_there(listing, campaign)
    assert listing.vectors is not None
    # another embedder, as in a new campaign: its wide vectors are reduced where nothing is said
    wanted = asked.reduce or old.reduce or (spec.reduce if is_new else NONE)
    reduce = choose_reduction(wanted, listing)
    maps = _reductions(reduce, listing.vectors, files, seed=spec.seed)
    vectors = apply_all(maps, listing.vectors)
    n_given = listing.vectors.shape[1]
    labeled = _labeled(campaign)
    metric = _learn(
        asked, vectors, labeled, files, had_metric=old.metric is not None, seed=spec.seed
    )
    listing = replace(listing, vectors=None)  # a large pool is not held twice
    bare = vectors[labeled.rows]  # before the metric, which has seen these labels
    if metric is not None and metric.reduction is not None:
        maps = [*maps, metric.reduction]
        vectors = metric.reduction.apply(vectors)
    n_features = vectors.shape[1]
    files.append_embeddings(vectors, n_before=0)
    del vectors
    if spec.holdout is not None:
        files.save_holdout(intake.holdout(spec.holdout, recipe, old.kind, n_given, maps))
    width = intake.find_neighbors(files, tie_keys(listing.sample_ids), n_features)
    prepared = replace(
        old,
        embedder=recipe.embedder,
        checkpoint=recipe.checkpoint,
        n_features=n_features,
        vote_width=width,
        message=None if is_new else old.message,
        reduce=reduce,
        metric=metric.kind if metric is not None and metric.reduction is not None else None,
        generation=files.generation,
    )
    try:
        before = _without_metric(campaign, labeled.rows, catalog, workplace)
    except (ALError, EmbeddingError):
        if asked.switch != "always":
            raise
        labeled, before, bare = _Labeled(labeled.rows[:0], labeled.labels[:0]), bare[:0], bare[:0]
    gain = _compare(campaign, labeled, before, bare, prepared)
    return NewVectors(prepared, files, gain, metric)


def _listing(campaign: Campaign, catalog: Catalog) -> Listing:
    """List what the campaign holds, in the order of its rows."""
    sample_ids = catalog.sample_ids(campaign.stored.id)
    kind = campaign.prepared.kind
    if kind == "vector":
        maps = campaign.files.maps(campaign.prepared.maps)
        width = maps[0].n_given if maps else campaign.prepared.n_features
        # a copy: what is embedded may be overwritten
        given = np.array(campaign.files.of_generation(0).embeddings(len(sample_ids), width))
        return Listing(kind, sample_ids, vectors=given)
    contents = catalog.contents(campaign.stored.id)
    if kind == "text":
        return Listing(kind, sample_ids, texts=[one.text or "" for one in contents])
    return Listing(kind, sample_ids, paths=[Path(one.path or "") for one in contents])


def _without_metric(
    campaign: Campaign, rows: NDArray[np.int64], catalog: Catalog, workplace: Workplace
) -> Vectors:
    """Return the campaign's vectors of some rows, before the metric that has seen their labels."""
    old = campaign.prepared
    if old.metric is None:
        n_samples = len(campaign.loop.names.sample_ids)
        return campaign.files.embeddings(n_samples, old.n_features)[rows]
    listing = only(_listing(campaign, catalog), rows)
    intake = Intake(campaign.spec, campaign.files, workplace)
    listing = intake.embed(listing, Recipe(old.embedder, old.checkpoint))  # out of the cache
    _check_all_there(listing, campaign)
    assert listing.vectors is not None
    maps = campaign.files.maps([name for name in old.maps if name != "metric"])
    return apply_all(maps, listing.vectors)


def _check_all_there(listing: Listing, campaign: Campaign) -> None:
    if listing.failures:
        names = shown([f"{one.sample}: {one.reason}" for one in listing.failures])
        raise BadSource(
            f"{len(listing.failures)} samples of {campaign.spec.name} have no such vector: {names}",
            "mend these files, or keep the vectors that the campaign has",
        )


def _reductions(
    reduce: str | None, vectors: Vectors, files: PoolFiles, *, seed: int
) -> list[Reduction]:
    asked = parse_reduction(reduce)
    if asked is None:
        return []
    reduction = fit_reduction(asked, vectors, seed=seed)
    files.save_map("reduction", reduction)
    return [reduction]


def _labeled(campaign: Campaign) -> _Labeled:
    def copied() -> _Labeled:
        campaign.loop.catch_up()  # every label acknowledged by now counts
        book = campaign.loop.pool.book
        rows = book.labeled_rows()
        if len(rows) > MOST_COMPARED:
            rng = np.random.default_rng(campaign.spec.seed)
            rows = np.sort(rng.choice(rows, MOST_COMPARED, replace=False))
        return _Labeled(rows, (book.labels if book.targets is None else book.targets)[rows])

    return campaign.on_writer(copied)


def _learn(
    asked: ReembedIn,
    vectors: Vectors,
    labeled: _Labeled,
    files: PoolFiles,
    *,
    had_metric: bool,
    seed: int,
) -> Metric | None:
    if not (asked.learn_metric or had_metric):
        return None
    metric = learn_metric(vectors[labeled.rows], labeled.labels.astype(np.int64), seed=seed)
    if metric.reduction is not None:
        files.save_map("metric", metric.reduction)
    return metric


def _compare(
    campaign: Campaign, labeled: _Labeled, old: Vectors, new: Vectors, prepared: Prepared
) -> PairedGain:
    """Compare by leaving one out; a metric learned from these labels, by cross-validation."""
    k, seed = campaign.spec.k, campaign.spec.seed
    n = len(labeled.rows)
    if n < 2:
        return paired_gain(np.zeros(0), np.zeros(0), seed=seed)
    right: Sequence[NDArray[np.float64]]
    both = campaign.prepared, prepared
    if all(one.metric is None for one in both):
        alone = np.arange(n)
        right = [
            right_votes(vectors, labeled.labels, alone, k=k, width=one.vote_width)
            for vectors, one in zip((old, new), both, strict=True)
        ]
    else:
        labels = labeled.labels.astype(np.int64)
        right = [
            cross_validated(vectors, labels, np.arange(n), kind=_kind(one.metric), seed=seed)
            for vectors, one in zip((old, new), both, strict=True)
        ]
    return paired_gain(right[0], right[1], seed=seed)


def _kind(metric: str | None) -> Kind | None:
    if metric is None:
        return None
    return "whitened" if metric == "whitened" else "discriminant"
