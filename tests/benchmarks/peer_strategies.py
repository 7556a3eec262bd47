"""The strategies of other libraries, behind one door; runs in the peers' environments.

All are taken with their own default settings. Each gets what it would get in its own loop: unit
embeddings, the labels so far, and a classifier that is fitted already and only says the
probabilities that it is given. It is made anew for each pool and keeps what it remembers between
queries, as in the hands of its users. Where a library breaks ties by position, candidates come in
random order: files are sorted by class, and that must not decide.

Left out: what predicts on inputs of its own making (DropQuery), wants a generative model (FourDs),
or takes seconds a pick on a pool of 1,000 (Quire: 7).
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Pool(NamedTuple):
    """One moment of the pool; -1 is the label of a candidate."""

    embeddings: Array
    labels: Array
    probabilities: Array

    @property
    def candidates(self) -> Array:
        """Rows without a label."""
        return np.flatnonzero(self.labels < 0)

    @property
    def labeled(self) -> Array:
        """Rows with one."""
        return np.flatnonzero(self.labels >= 0)


Query = Callable[[Pool, int, int], Array]
"""Pool, how many, seed -> rows."""


class Entry(NamedTuple):
    """A strategy.

    Attributes
    ----------
    make : with the number of classes; imports what it needs, so that no query is charged for it
    needs_labels : cannot choose before the first label, for want of labels or of a classifier
    """

    make: Callable[[int], Query]
    needs_labels: bool


class Session:
    """Answers for one pool after the other."""

    def __init__(self) -> None:
        self.embeddings: Array = np.empty((0, 0), np.float32)
        self.made: dict[tuple[str, str], Query] = {}

    def answer(self, told: dict[str, Any], arrays: Mapping[str, Array]) -> Any:
        """Take a pool, or choose from it."""
        if told["ask"] == "pool":
            self.embeddings, self.made = arrays["embeddings"], {}
            return {}, {}
        key = told["library"], told["strategy"]
        if key not in self.made:
            self.made[key] = STRATEGIES[key[0]][key[1]].make(told["n_classes"])
        pool = Pool(self.embeddings, arrays["labels"], arrays["probabilities"])
        began = time.perf_counter()
        rows = self.made[key](pool, told["n_picks"], told["seed"])
        seconds = time.perf_counter() - began
        return {"seconds": seconds}, {"rows": np.asarray(rows, np.int64)}


# -- scikit-activeml --------------------------------------------------------------------------


def _skactiveml(
    kind: str, n_classes: int, *, asks: str = "", counts: str = "", **settings: Any
) -> Query:
    """Make a strategy that is asked with a classifier (`asks` names it in the call), or without."""
    import skactiveml.pool
    from skactiveml.base import SkactivemlClassifier

    class Known(SkactivemlClassifier):  # type: ignore[misc]
        """Knows the probabilities of all rows; the number of rows tells which are meant."""

        pool: Pool

        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Known":
            return self

        def predict_proba(self, X: Any, **kwargs: Any) -> Array:
            rows = {len(one): one for one in (self.pool.labeled, self.pool.candidates)}[len(X)]
            found: Array = self.pool.probabilities[rows]
            return found

    if counts:
        settings[counts] = n_classes
    strategy = getattr(skactiveml.pool, kind)(random_state=0, **settings)
    classifier = Known(classes=list(range(n_classes)))

    def query(pool: Pool, n_picks: int, seed: int) -> Array:
        strategy.random_state, classifier.pool = seed, pool
        labels = np.where(pool.labels < 0, np.nan, pool.labels)
        options = {asks: classifier, f"fit_{asks}": False} if asks else {}
        rows: Array = strategy.query(pool.embeddings, labels, batch_size=n_picks, **options)
        return rows

    return query


def _skactiveml_discriminative(n_classes: int) -> Query:
    from skactiveml.classifier import SklearnClassifier
    from skactiveml.pool import DiscriminativeAL
    from sklearn.linear_model import LogisticRegression

    strategy = DiscriminativeAL()
    discriminator = SklearnClassifier(LogisticRegression())

    def query(pool: Pool, n_picks: int, seed: int) -> Array:
        strategy.random_state = seed
        labels = np.where(pool.labels < 0, np.nan, pool.labels)
        rows: Array = strategy.query(
            pool.embeddings, labels, discriminator=discriminator, batch_size=n_picks
        )
        return rows

    return query


def _uncertainty(method: str) -> Entry:
    return Entry(partial(_skactiveml, "UncertaintySampling", asks="clf", method=method), True)


# -- small-text -------------------------------------------------------------------------------


class _Learner:
    """A classifier of small-text; a data set of its own is an array of rows."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def predict_proba(self, rows: Array) -> Array:
        """Say what is known."""
        found: Array = self.pool.probabilities[rows]
        return found

    def embed(self, rows: Array, return_proba: bool = False, pbar: Any = None) -> Any:
        """Give the embeddings."""
        embeddings = self.pool.embeddings[rows]
        return (embeddings, self.pool.probabilities[rows]) if return_proba else embeddings


def _small_text(kind: str, n_classes: int, **settings: Any) -> Query:
    import small_text.query_strategies

    strategy = getattr(small_text.query_strategies, kind)(**settings)

    def query(pool: Pool, n_picks: int, seed: int) -> Array:
        candidates = _shuffled_for_global_users(pool, seed)
        rows: Array = strategy.query(
            _Learner(pool),
            np.arange(len(pool.labels)),
            candidates,
            pool.labeled,
            pool.labels[pool.labeled],
            n=n_picks,
        )
        return rows

    return query


def _small_text_discriminative(n_classes: int) -> Query:
    from sklearn.linear_model import LogisticRegression
    from small_text.classifiers.factories import SklearnClassifierFactory
    from small_text.data.datasets import SklearnDataset
    from small_text.query_strategies import DiscriminativeActiveLearning

    factory = SklearnClassifierFactory(LogisticRegression(), 2)

    def query(pool: Pool, n_picks: int, seed: int) -> Array:
        candidates = _shuffled_for_global_users(pool, seed)
        data = SklearnDataset(pool.embeddings, np.zeros(len(pool.labels), np.int64))
        # one sub-batch a pick, as many as the paper has
        strategy = DiscriminativeActiveLearning(factory, min(10, n_picks), pbar=None)
        known = pool.labels[pool.labeled]
        rows: Array = strategy.query(None, data, candidates, pool.labeled, known, n=n_picks)
        return rows

    return query


# -- modAL ------------------------------------------------------------------------------------


class _Estimator:
    """Says the probabilities that it is given."""

    def __init__(self, probabilities: Array) -> None:
        self.probabilities = probabilities

    def fit(self, X: Any, y: Any, **kwargs: Any) -> "_Estimator":
        """Be fitted already."""
        return self

    def predict_proba(self, X: Any, **kwargs: Any) -> Array:
        """Say what is known of the candidates: modAL asks for nothing else."""
        return self.probabilities


def _modal(module: str, function: str, n_classes: int) -> Query:
    import importlib

    from modAL.models import ActiveLearner

    strategy = getattr(importlib.import_module(module), function)

    def query(pool: Pool, n_picks: int, seed: int) -> Array:
        candidates = _shuffled_for_global_users(pool, seed)
        learner = ActiveLearner(
            _Estimator(pool.probabilities[candidates]),
            strategy,
            X_training=pool.embeddings[pool.labeled],
            y_training=pool.labels[pool.labeled],
        )
        places, _ = learner.query(pool.embeddings[candidates], n_instances=n_picks)
        rows: Array = candidates[places]
        return rows

    return query


def _shuffled_for_global_users(pool: Pool, seed: int) -> Array:
    """Return the candidates in random order, and seed what small-text and modAL draw from."""
    np.random.seed(seed)  # noqa: NPY002 -- they know no other generator
    return np.random.default_rng(seed).permutation(pool.candidates)


STRATEGIES: dict[str, dict[str, Entry]] = {
    "scikit-activeml": {
        "UncertaintySampling(margin)": _uncertainty("margin_sampling"),
        "UncertaintySampling(least confident)": _uncertainty("least_confident"),
        "UncertaintySampling(entropy)": _uncertainty("entropy"),
        "CoreSet": Entry(partial(_skactiveml, "CoreSet"), False),
        "TypiClust": Entry(partial(_skactiveml, "TypiClust"), False),
        "ProbCover": Entry(partial(_skactiveml, "ProbCover", counts="n_classes"), False),
        "MaxHerding": Entry(partial(_skactiveml, "MaxHerding"), False),
        "Badge": Entry(partial(_skactiveml, "Badge", asks="clf"), True),
        "Clue": Entry(partial(_skactiveml, "Clue", asks="estimator"), True),
        "Falcun": Entry(partial(_skactiveml, "Falcun", asks="clf"), True),
        "ContrastiveAL": Entry(partial(_skactiveml, "ContrastiveAL", asks="clf"), True),
        "DiscriminativeAL": Entry(_skactiveml_discriminative, True),
    },
    "small-text": {
        "BreakingTies": Entry(partial(_small_text, "BreakingTies"), True),
        "LeastConfidence": Entry(partial(_small_text, "LeastConfidence"), True),
        "PredictionEntropy": Entry(partial(_small_text, "PredictionEntropy"), True),
        "GreedyCoreset": Entry(partial(_small_text, "GreedyCoreset"), True),
        "LightweightCoreset": Entry(partial(_small_text, "LightweightCoreset"), False),
        "EmbeddingKMeans": Entry(partial(_small_text, "EmbeddingKMeans"), False),
        "ContrastiveActiveLearning": Entry(
            partial(_small_text, "ContrastiveActiveLearning", pbar=None), True
        ),
        "DiscriminativeActiveLearning": Entry(_small_text_discriminative, True),
    },
    "modAL": {
        "uncertainty_sampling": Entry(
            partial(_modal, "modAL.uncertainty", "uncertainty_sampling"), True
        ),
        "margin_sampling": Entry(partial(_modal, "modAL.uncertainty", "margin_sampling"), True),
        "entropy_sampling": Entry(partial(_modal, "modAL.uncertainty", "entropy_sampling"), True),
        "uncertainty_batch_sampling": Entry(
            partial(_modal, "modAL.batch", "uncertainty_batch_sampling"), True
        ),
    },
}
