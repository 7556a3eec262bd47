"""A selection can be made again from its manifest, or the error says what differs."""

from dataclasses import replace

import numpy as np
import pytest

from strategies import registry
from strategies.compose import Product
from strategies.in_class import InClass
from strategies.manifest import DoesNotReplay, from_json, replay, select
from strategies.pool import PoolView, Rows
from strategies.provenance import hash_array
from strategies.toy_pool import shuffled, toy_pool
from strategies.uncertainty import Margin

# those that train a network or draw, and one of each other kind
TEXTS = ["in_class?uncertainty=entropy", "uniform", "badge", "power?base=entropy", "typiclust"]


@pytest.mark.parametrize("text", [*TEXTS, "product?margin=2&k_center=1"])
def test_the_same_rows_come_again(text: str) -> None:
    pool = toy_pool()
    made = select(pool, text, 20, seed=7)
    again = replay(from_json(made.manifest.to_json()), toy_pool())
    assert again.tobytes() == made.rows.tobytes()
    other = select(pool, text, 20, seed=8)
    assert (other.manifest.rows == made.manifest.rows) == np.array_equal(other.rows, made.rows)


def test_what_decides_is_written_down() -> None:
    made = select(toy_pool(), Product({InClass(): 2, Margin(): 1}), 3, seed=1).manifest
    assert made.strategy == "product?in_class=2.0&margin=1.0"
    assert made.settings == {
        "in_class?uncertainty=margin&aggregate=mean": "2.0",
        "margin?measure=margin&aggregate=mean": "1.0",
    }
    assert (made.budget, made.seed) == (3, 1)
    assert {"python", "numpy", "numba", "scipy", "al-server", "processor"} <= made.versions.keys()
    assert made.inputs.keys() >= {"embeddings", "tie_key", "neighbors.rows", "n_classes"}


def test_every_byte_of_the_pool_counts() -> None:
    pool = toy_pool()
    made = select(pool, "margin", 3, seed=0).manifest
    for name in ("embeddings", "probabilities", "status", "tie_key", "labels"):
        array = getattr(pool, name).copy()
        array.view(np.uint8).reshape(-1)[-1] ^= 1
        with pytest.raises(DoesNotReplay, match=rf"another pool: pool\.{name} was .*, is "):
            replay(made, replace(pool, **{name: array}))
    with pytest.raises(DoesNotReplay, match=r"pool\.density was .*, is not there"):
        replay(made, replace(pool, density=None))
    with pytest.raises(DoesNotReplay, match=r"pool\.n_classes was 3, is 4"):
        replay(made, replace(pool, n_classes=4))
    with pytest.raises(DoesNotReplay, match=r"pool\.embeddings"):
        replay(made, shuffled(pool, np.arange(60)[::-1]))


def test_memory_layout_and_large_arrays_do_not_matter() -> None:
    pool = toy_pool()
    made = select(pool, "margin", 3, seed=0).manifest
    other = replace(pool, embeddings=np.asfortranarray(pool.embeddings))
    assert len(replay(made, other)) == 3
    large = np.arange(200_000)
    for place in (0, 63_000, 65_535, 65_536, 199_999):
        other_large = large.copy()
        other_large[place] += 1
        assert hash_array(large) != hash_array(other_large)


def test_other_versions_are_named_only_where_other_rows_come_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = toy_pool()
    made = select(pool, "margin", 3, seed=0)
    older = replace(made.manifest, versions={**made.manifest.versions, "numpy": "1.0"})
    assert np.array_equal(replay(older, pool), made.rows)

    class Changed(Margin.func):  # type: ignore[misc, name-defined]
        def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
            rows: Rows = super().select(pool, budget, rng)[::-1]
            return rows

    monkeypatch.setattr(registry, "make", lambda text: Changed())
    monkeypatch.setattr(registry, "describe", lambda strategy: "margin")
    with pytest.raises(DoesNotReplay, match=r"margin selects other rows now: versions\.numpy was"):
        replay(older, pool)
    with pytest.raises(DoesNotReplay, match="the strategy itself was changed"):
        replay(made.manifest, pool)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 99}'])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no manifest|format 99"):
        from_json(text)
