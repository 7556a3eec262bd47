"""From text to strategies and back."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest

from strategies import registry, settings
from strategies.cdf_product import CdfProduct
from strategies.compose import Balance, Product, Similar, Then, Threshold
from strategies.in_class import InClass
from strategies.k_center import KCenter
from strategies.pool import PoolView, Rows, Strategy
from strategies.power import Power
from strategies.toy_pool import toy_pool
from strategies.typiclust import TypiClust
from strategies.uncertainty import Entropy, Margin, Uncertainty

MADE: list[tuple[str, Strategy]] = [
    ("in_class?uncertainty=entropy", InClass("entropy")),
    ("product?margin=2.0&density=1.0", Product(margin=2, density=1)),
    ("power?base=entropy&beta=2.0", Power(Entropy(), beta=2.0)),
    ("then?until=30&then=entropy", Then("typiclust", until=30, then=Entropy())),
    ("threshold?by=entropy&keep=0.25&above=0.5", Threshold(Entropy(), keep=0.25, above=0.5)),
    ("balance?strategy=entropy&shares=1.0,2.0,3.0", Balance(Entropy(), shares=(1, 2, 3))),
    ("similar?to=a.png,b%252Cc.png&label=3", Similar(to=("a.png", "b,c.png"), label=3)),
    ("similar?vectors=1.0%252C0.0,0.5%252C2.0", Similar(vectors=((1, 0), (0.5, 2)))),
    (
        "threshold?by=product?margin=1.0%26in_class?uncertainty%253Dratio=2.0",
        Threshold(by=Product({Margin(): 1, InClass("ratio"): 2})),
    ),
    ("margin?aggregate=max", Uncertainty("margin", "max")),
]


@dataclass(frozen=True)
class Everything:
    """A setting of every kind."""

    whole: int = 1
    number: float = 1.0
    flag: bool = False
    word: str = "a"
    choice: Literal["x", "y", 3] = "x"
    maybe: float | None = None
    either: int | str = 1
    several: tuple[int, ...] = ()
    pair: tuple[str, float] = ("a", 1.0)
    inner: Strategy | None = None
    unknown: Any = None

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        return pool.candidate_rows()[:budget]


def make(query: str) -> Everything:
    load = {"all": Everything}.get
    made = registry.make(f"all?{query}", load=lambda name: load(name) or registry.load(name))
    assert isinstance(made, Everything)
    return made


@pytest.mark.parametrize(("text", "strategy"), MADE, ids=[text for text, _ in MADE])
def test_text_and_strategy_are_made_from_each_other(text: str, strategy: Strategy) -> None:
    assert registry.make(text) == strategy
    assert registry.describe(strategy) == text


@pytest.mark.parametrize("name", registry.SHELF)
def test_every_name_on_the_shelf_is_made_and_called_by_it(name: str) -> None:
    strategy = registry.make(name)
    assert registry.describe(strategy) == ("mass" if name == "default" else name)
    assert registry.make(registry.describe(strategy)) == strategy


def test_partly_set_names_keep_what_they_set() -> None:
    assert registry.make("entropy") == Uncertainty("entropy")
    with pytest.raises(ValueError, match="no setting 'measure'; its settings are aggregate"):
        registry.make("entropy?measure=margin")


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        ("whole=7", "whole", 7),
        ("number=1e-3", "number", 0.001),
        ("number=2", "number", 2.0),
        ("flag=true", "flag", True),
        ("flag=0", "flag", False),
        ("word=", "word", ""),
        ("word=%26%3D%25", "word", "&=%"),
        ("word=a+b", "word", "a+b"),
        ("choice=y", "choice", "y"),
        ("choice=3", "choice", 3),
        ("maybe=none", "maybe", None),
        ("maybe=0.5", "maybe", 0.5),
        ("either=5", "either", 5),
        ("either=5C", "either", "5C"),
        ("several=", "several", ()),
        ("several=3", "several", (3,)),
        ("several=3,1", "several", (3, 1)),
        ("pair=x%252Cy,2", "pair", ("x,y", 2.0)),
        ("inner=margin", "inner", Margin()),
        ("inner=power%3Fbase=entropy", "inner", Power(Entropy())),
        ("unknown=5", "unknown", "5"),
    ],
)
def test_values_are_read_by_the_annotation(query: str, field: str, value: object) -> None:
    found = getattr(make(query), field)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("whole=2.5", "whole='2.5' does not fit; give a whole number"),
        ("number=much", "number='much' does not fit; give a number"),
        ("flag=perhaps", "flag='perhaps' does not fit; give true or false"),
        ("choice=z", "choice='z' does not fit; give one of x, y, 3"),
        ("maybe=some", "maybe='some' does not fit; give a number or none"),
        ("several=1,x", "several='1,x' does not fit; give a whole number or several"),
        ("pair=x", "pair='x' does not fit"),
        ("inner=nothing", "inner='nothing' does not fit; give a strategy .no strategy is called"),
        ("colour=red", "no setting 'colour'; its settings are whole, number"),
        ("whole", "setting 'whole' has no value; write whole=VALUE"),
        ("whole=1&whole=2", "setting 'whole' is given twice"),
    ],
)
def test_what_does_not_fit_is_said(query: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"strategy 'all': .*{complaint}"):
        make(query)


def test_values_are_written_as_they_are_read() -> None:
    for given in (make("word=%26%2C&several=3,1&flag=yes&maybe=2"), make("pair=x%252Cy,2")):
        pairs = settings.changed(given, Everything)
        query = settings.join({name: settings.write(value, str) for name, value in pairs})
        assert make(query) == given


def test_a_setting_that_must_be_given_is_asked_for() -> None:
    @dataclass(frozen=True)
    class Needs(KCenter):
        radius: float = 0.0

    def needs(radius: float) -> Strategy:
        return Needs(radius=radius)

    assert registry.make("it?radius=2", load=lambda _: needs) == Needs(radius=2.0)
    with pytest.raises(ValueError, match="strategy 'it': setting 'radius' is missing"):
        registry.make("it", load=lambda _: needs)


def test_an_unknown_name_lists_the_known_ones_the_nearest_first() -> None:
    with pytest.raises(ValueError, match="no strategy is called 'margn'; known: margin, "):
        registry.make("margn")


def test_settings_of_parts_are_said_with_their_part() -> None:
    with pytest.raises(ValueError, match=r"in_class\?uncertainty=guess='2' does not fit.*guess"):
        registry.make("product?in_class%3Funcertainty%3Dguess=2")
    with pytest.raises(ValueError, match=r"margin='two' does not fit"):
        registry.make("product?margin=two")


def test_strangers_are_not_described() -> None:
    with pytest.raises(ValueError, match="Everything is neither on the shelf"):
        registry.describe(Everything())


def test_strategies_given_by_name_are_made_at_once() -> None:
    assert Then("typiclust").first == TypiClust()
    assert Threshold(by="margin", then="cdf_product").then == CdfProduct()
    rng = np.random.default_rng(0)
    assert len(Balance("k_center").select(toy_pool(), 4, rng)) == 4
