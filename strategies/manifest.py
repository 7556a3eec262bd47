"""What a selection was made from, so that it can be made again, bit for bit.

In a notebook::

    from strategies import manifest

    selection = manifest.select(pool, "in_class?uncertainty=entropy", 100, seed=7)
    text = selection.manifest.to_json()  # keep it beside the labels
    rows = manifest.replay(manifest.from_json(text), pool)  # the same, or an error that says why
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Final, NamedTuple

import numpy as np

from strategies import registry, settings
from strategies.pool import PoolView, Rows, Strategy
from strategies.provenance import differences, hash_array, versions

FORMAT: Final = 1


class DoesNotReplay(ValueError):
    """A selection that cannot be made again here; the message says what differs."""


@dataclass(frozen=True)
class Manifest:
    """Everything that decides about a selection, and which rows came of it.

    Attributes
    ----------
    strategy : text that `registry.make` makes the strategy from
    settings : all its settings, defaults too, as text
    budget : what was asked for
    seed : of the generator
    versions : of Python, of the packages that are installed, and the processor: kernels are
        compiled for it, which may change the last bit of a sum
    inputs : dtype, shape and SHA-256 of every array of the pool, and the number of classes
    rows : the same of the rows that were selected
    format : version of this list
    """

    strategy: str
    settings: dict[str, str]
    budget: int
    seed: int
    versions: dict[str, str]
    inputs: dict[str, str]
    rows: str
    format: int = FORMAT

    def to_json(self) -> str:
        """Return it as indented JSON."""
        return json.dumps(asdict(self), indent=2)


class Selection(NamedTuple):
    """Rows, most valuable first, and where they come from."""

    rows: Rows
    manifest: Manifest


def select(pool: PoolView, strategy: Strategy | str, budget: int, *, seed: int) -> Selection:
    """Select rows and write down from what.

    Parameters
    ----------
    strategy : a strategy of the shelf or of an installed package, or its text
    seed : of the generator that the strategy draws from

    Raises
    ------
    ValueError
        If the strategy has no name; or whatever the strategy raises.
    """
    made = registry.make(strategy) if isinstance(strategy, str) else strategy
    text = registry.describe(made)
    inputs = _hashes(pool)
    rows = made.select(pool, budget, np.random.default_rng(seed))
    written = Manifest(
        strategy=text,
        settings=_all_settings(made),
        budget=int(budget),
        seed=int(seed),
        versions=versions(),
        inputs=inputs,
        rows=hash_array(rows),
    )
    return Selection(rows, written)


def replay(manifest: Manifest, pool: PoolView) -> Rows:
    """Select again and return the same rows.

    Other versions alone are no obstacle where the same rows come of them.

    Raises
    ------
    DoesNotReplay
        If the pool is another one, or other rows come of it; it says what differs.
    """
    differs = differences("pool", manifest.inputs, _hashes(pool))
    if differs:
        raise DoesNotReplay(f"this is another pool: {'; '.join(differs)}")
    again = select(pool, manifest.strategy, manifest.budget, seed=manifest.seed)
    if again.manifest.rows != manifest.rows:
        differs = [
            *differences("settings", manifest.settings, again.manifest.settings),
            *differences("versions", manifest.versions, again.manifest.versions),
        ]
        because = "; ".join(differs) or (
            "settings, versions and pool are the same, so the strategy itself was changed or draws "
            "from something else than its generator"
        )
        raise DoesNotReplay(f"{manifest.strategy} selects other rows now: {because}")
    return again.rows


def from_json(text: str) -> Manifest:
    """Read a manifest.

    Raises
    ------
    ValueError
        If the text is none, or one of a later format.
    """
    try:
        given = json.loads(text)
        if given["format"] > FORMAT:
            raise ValueError(f"it is of format {given['format']}, this version reads {FORMAT}")
        return Manifest(**given)
    except (TypeError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"this is no manifest of a selection: {error!r}") from error


def _all_settings(strategy: Strategy) -> dict[str, str]:
    """Return every field as text; a default may be another one in the next version."""
    if hasattr(strategy, "to_settings"):
        given: dict[str, str] = strategy.to_settings(_describe_in_full)
        return given
    return {
        field.name: settings.write(getattr(strategy, field.name), _describe_in_full)
        for field in fields(strategy)  # type: ignore[arg-type]
    }


def _describe_in_full(strategy: Strategy) -> str:
    name, _, _ = registry.describe(strategy).partition("?")
    return f"{name}?{settings.join(_all_settings(strategy))}"


def _hashes(pool: PoolView) -> dict[str, str]:
    """Return the hash of each array that the pool has."""
    found = {"n_classes": str(pool.n_classes)}
    for field in fields(pool):
        value = getattr(pool, field.name)
        if isinstance(value, np.ndarray):
            found[field.name] = hash_array(value)
        elif isinstance(value, tuple):
            for name, array in zip(value._fields, value, strict=True):  # type: ignore[attr-defined]
                found[f"{field.name}.{name}"] = hash_array(array)
    return found
