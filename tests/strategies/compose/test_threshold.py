import numpy as np
import pytest

from strategies.compose import Threshold
from strategies.density import Density
from strategies.pool import PoolView
from strategies.toy_pool import toy_pool
from strategies.uncertainty import Margin

RNG = np.random.default_rng(0)


def ranked(pool: PoolView) -> list[int]:
    """Candidate rows, the most uncertain first."""
    assert pool.uncertainty is not None
    rows = pool.candidate_rows().tolist()
    return sorted(rows, key=lambda row: (-pool.uncertainty[row], pool.tie_key[row]))


@pytest.mark.parametrize("keep", [0.01, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("n_distinct", [None, 6])
def test_then_picks_among_the_upper_share_and_the_rest_follows(
    keep: float, n_distinct: int | None
) -> None:
    pool = toy_pool(n_distinct=n_distinct)
    assert pool.density is not None
    order = ranked(pool)
    n_kept = int(np.ceil(keep * len(order)))
    kept = sorted(order[:n_kept], key=lambda row: (-pool.density[row], pool.tie_key[row]))
    threshold = Threshold(by="margin", keep=keep, then="density")
    for budget in (1, 4, 30, 99):
        found = threshold.select(pool, budget, RNG).tolist()
        assert found == (kept + order[n_kept:])[:budget]


def test_seven_percent_of_a_hundred_are_seven() -> None:
    pool = toy_pool(n_samples=131)
    assert len(pool.candidate_rows()) == 100 and 0.07 * 100 > 7
    found = Threshold(keep=0.07, then="density").select(pool, 8, RNG)
    assert set(found[:7]) == set(ranked(pool)[:7])
    assert found[7] == ranked(pool)[7]


def test_scores_have_to_exceed_a_value() -> None:
    pool = toy_pool()
    assert pool.uncertainty is not None and pool.density is not None
    limit = float(np.sort(pool.uncertainty[pool.candidate_rows()])[-4])
    threshold = Threshold(by=Margin(), keep=1.0, above=limit, then=Density())
    order = ranked(pool)
    kept = sorted(order[:3], key=lambda row: -pool.density[row])
    assert threshold.select(pool, 5, RNG).tolist() == kept + order[3:5]
    assert Threshold(above=2.0).select(pool, 3, RNG).tolist() == order[:3]


def test_then_sees_only_what_is_kept() -> None:
    pool = toy_pool()
    seen = []

    class Looks(Density):
        def select(self, pool: PoolView, budget: int, rng: np.random.Generator):  # type: ignore[no-untyped-def]
            seen.append(sorted(pool.tie_key[pool.candidate_rows()].tolist()))
            return super().select(pool, budget, rng)

    Threshold(keep=0.2, then=Looks()).select(pool, 2, RNG)
    assert seen == [sorted(pool.tie_key[ranked(pool)[: int(np.ceil(0.2 * 43))]].tolist())]


@pytest.mark.parametrize("keep", [0, -1, 1.1, float("nan")])
def test_shares_that_are_none_are_refused(keep: float) -> None:
    with pytest.raises(ValueError, match="keep="):
        Threshold(keep=keep)


def test_strategies_without_scores_cannot_be_the_threshold() -> None:
    with pytest.raises(ValueError, match="TypiClust values whole batches"):
        Threshold(by="typiclust")
    with pytest.raises(ValueError, match="above=nan"):
        Threshold(above=float("nan"))
