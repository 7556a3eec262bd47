"""The filters that `al-server filter` is asked for, checked before anything is read."""

from typing import TYPE_CHECKING, NamedTuple

from al_server.curation.amounts import AUTO, Amount, is_amount
from al_server.curation.near_duplicates import NearDuplicates
from al_server.curation.pipeline import make_filter
from al_server.errors import BadInput

if TYPE_CHECKING:
    from al_server.commands.filter_run import Wanted

_NEIGHBORS = 16  # as many as a Pipeline finds by itself


class Chain(NamedTuple):
    """What is to be done, and what it needs.

    Attributes
    ----------
    amounts : by the texts of the filters, in their order
    keep_by : text of the filter that reaches --keep
    needs : names of the optional arrays of `Points`, such as "classes"
    k : neighbors of each sample
    """

    amounts: dict[str, Amount]
    keep_by: str
    needs: set[str]
    k: int


def chain_of(wanted: "Wanted") -> Chain:
    """Make the chain.

    Raises
    ------
    BadInput
        If there is no such filter, one is named twice or has no threshold, or nothing is to be
        done.
    """
    from strategies.filters import declared

    amounts = _amounts(wanted)
    keep_by = _in_classes(wanted.keep_by, wanted)
    made = {text: make_filter(text)[1] for text in amounts if text != NearDuplicates.reason}
    for text, one in made.items():
        if amounts[text] == AUTO and not declared.has_threshold(one):
            raise BadInput(
                f"{text} has no threshold of its own", f"say how many go, as in {text}=10%"
            )
    last = make_filter(keep_by)[1]  # a wrong name is told even where there is nothing to reach
    used = [*made.values(), *([last] if wanted.keep is not None else [])]
    n_neighbors = max(_NEIGHBORS, declared.least_neighbors(used))
    return Chain(amounts, keep_by, declared.needs(used), n_neighbors)


def _amounts(wanted: "Wanted") -> dict[str, Amount]:
    named: list[tuple[str, Amount | None]] = [
        ("exact_duplicates", AUTO if wanted.exact_duplicates else None),
        (NearDuplicates.reason, AUTO if wanted.near_duplicates else None),
        (_in_classes("outliers", wanted), wanted.outliers),
        (_in_classes("similars", wanted), wanted.similars),
        *map(_split, wanted.more),
    ]
    amounts: dict[str, Amount] = {}
    for name, amount in named:
        if amount is None:
            continue
        if name in amounts:
            raise BadInput(f"{name} is named twice", "name each filter once")
        amounts[name] = amount
    if not amounts and wanted.keep is None and not wanted.drop and not wanted.checks:
        raise BadInput(
            "nothing is to be removed",
            "say --keep, --outliers, --similars, --filter, --exact-duplicates, "
            "--near-duplicates, --drop or --checks",
        )
    return amounts


def _split(text: str) -> tuple[str, Amount]:
    """Split ``name?setting=value=amount``; settings and the amount may be left out."""
    before, equals, last = text.rpartition("=")
    split, whole = (before, last), (text, AUTO)
    if not equals or "?" not in before:
        return split if equals else whole
    for name, amount in (split, whole) if is_amount(last) else (whole, split):
        if _is_filter(name):
            return name, amount
    return split if "=" in before else whole  # what is wrong is told of this one


def _is_filter(text: str) -> bool:
    try:
        make_filter(text)
    except BadInput:
        return False
    return True


def _in_classes(name: str, wanted: "Wanted") -> str:
    from strategies import settings

    return f"per_class?{settings.join({'filter': name})}" if wanted.per_class else name
