"""A label config: which control asks the question that the server answers, and what about."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element, ParseError

from al_server.errors import ALError

OBJECT_TAGS = ("Image", "Text", "HyperText")
CONTROL_TAGS = ("Choices", "Taxonomy", "Rating")
SUPPORTED = (
    "supported are Choices, Taxonomy and Rating about a whole Image, Text or HyperText; "
    "not regions, and not choices that come from the task"
)
TAXONOMY_SEPARATOR = " > "
_N_STARS = 5
_IS_SINGLE = ("single", "single-radio")
_VARIABLE = re.compile(r"^\$([\w.-]+)$")


class UnsupportedConfig(ALError):
    """A label config that the server cannot answer."""

    status, code = 422, "unsupported_label_config"

    def __init__(self, message: str, remedy: str = SUPPORTED) -> None:
        super().__init__(message, remedy)


@dataclass(frozen=True)
class Control:
    """The control tag that the server works with.

    Attributes
    ----------
    name, to_name : as in the config
    kind : choices | taxonomy | rating
    multi : whether an annotator may choose several
    classes : class names in the config's order; of a taxonomy whole paths, of a rating numbers
    data_key : where the content is in a task's data
    content : image | text | html
    by_url : whether the data hold the address of a text rather than the text itself
    """

    name: str
    to_name: str
    kind: Literal["choices", "taxonomy", "rating"]
    multi: bool
    classes: tuple[str, ...]
    data_key: str
    content: Literal["image", "text", "html"]
    by_url: bool = False


def parse_config(config: str, *, control: str | None = None) -> Control:
    """Read a label config.

    Parameters
    ----------
    config : XML
    control : name of the control tag; needed where there are several

    Raises
    ------
    UnsupportedConfig
        If it cannot be answered; says what can.
    """
    root = _root(config)
    named = {tag.get("name", ""): tag for tag in root.iter() if tag.get("toName")}
    if not named:
        raise UnsupportedConfig("the label config has no control tag, such as Choices")
    listed = ", ".join(f"{name} ({tag.tag})" for name, tag in named.items())
    if control is None and len(named) > 1:
        raise UnsupportedConfig(
            f"the label config has several control tags: {listed}",
            f"choose one with --control NAME; {SUPPORTED}",
        )
    name = control if control is not None else next(iter(named))
    if name not in named:
        raise UnsupportedConfig(f"no control tag is called {name!r}", f"there are: {listed}")
    return _control(name, named[name], root)


def _root(config: str) -> Element:
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(config)
    except (ParseError, DefusedXmlException) as error:
        raise UnsupportedConfig(f"the label config is not the XML it should be: {error}") from error
    return root


def _control(name: str, tag: Element, root: Element) -> Control:
    if tag.tag not in CONTROL_TAGS:
        raise UnsupportedConfig(f"{name} is a {tag.tag} tag, which cannot be answered")
    for attribute in ("perRegion", "perItem"):
        if tag.get(attribute, "false").lower() == "true":
            raise UnsupportedConfig(f"{name} has {attribute}: it is about regions")
    if any(_is_conditional(one) for one in _with_ancestors(tag, root)):
        raise UnsupportedConfig(f"{name} is shown on a condition only")
    if tag.get("value") or tag.get("apiUrl"):
        raise UnsupportedConfig(f"the choices of {name} come from the task")
    data_key, content, by_url = _object(name, tag.get("toName", ""), root)
    kind, multi, classes = _classes(name, tag)
    if not classes:
        raise UnsupportedConfig(f"{name} offers no choices")
    if len(set(classes)) < len(classes):
        raise UnsupportedConfig(f"{name} offers a choice twice")
    to_name = tag.get("toName", "")
    return Control(name, to_name, kind, multi, tuple(classes), data_key, content, by_url)


def _with_ancestors(tag: Element, root: Element) -> Iterator[Element]:
    above = {child: parent for parent in root.iter() for child in parent}
    found: Element | None = tag
    while found is not None:
        yield found
        found = above.get(found)


def _is_conditional(tag: Element) -> bool:
    conditions = ("region-selected", "choice-selected")
    return bool(tag.get("whenTagName")) or tag.get("visibleWhen") in conditions


def _object(
    control: str, to_name: str, root: Element
) -> tuple[str, Literal["image", "text", "html"], bool]:
    """Return the data key, the content, and whether it is given by an address."""
    found = next((t for t in root.iter() if t.get("name") == to_name and t.get("value")), None)
    if found is None:
        raise UnsupportedConfig(f"{control} is about {to_name!r}, which the config does not show")
    if found.tag not in OBJECT_TAGS:
        raise UnsupportedConfig(f"{control} is about a {found.tag} tag")
    variable = _VARIABLE.match(found.get("value", ""))
    if variable is None:
        raise UnsupportedConfig(
            f"{to_name} shows {found.get('value')!r}, not one key of the task's data",
            f'write value="$key"; {SUPPORTED}',
        )
    contents: dict[str, Literal["image", "text", "html"]] = {
        "Image": "image",
        "Text": "text",
        "HyperText": "html",
    }
    by_url = found.get("valueType") == "url"
    return variable[1], contents[found.tag], by_url


def _classes(
    name: str, tag: Element
) -> tuple[Literal["choices", "taxonomy", "rating"], bool, list[str]]:
    if tag.tag == "Rating":
        stars = tag.get("maxRating", str(_N_STARS))
        if not stars.isdecimal() or not 1 <= int(stars) <= 100:
            raise UnsupportedConfig(f"{name} has maxRating {stars!r}")
        return "rating", False, [str(number) for number in range(1, int(stars) + 1)]
    if tag.tag == "Taxonomy":
        single = tag.get("maxUsages") == "1"
        leafs_only = tag.get("leafsOnly", "false").lower() == "true"
        paths = _paths(tag, (), leafs_only=leafs_only)
        return "taxonomy", not single, [TAXONOMY_SEPARATOR.join(path) for path in paths]
    if any(choice.find("Choice") is not None for choice in tag.iter("Choice")):
        raise UnsupportedConfig(f"{name} has choices inside choices", f"use Taxonomy; {SUPPORTED}")
    multi = tag.get("choice", "single") not in _IS_SINGLE
    return "choices", multi, [_value(choice) for choice in tag.iter("Choice")]


def _paths(tag: Element, above: tuple[str, ...], *, leafs_only: bool) -> Iterator[tuple[str, ...]]:
    for choice in tag.findall("Choice"):
        path = (*above, _value(choice))
        if not leafs_only or choice.find("Choice") is None:
            yield path
        yield from _paths(choice, path, leafs_only=leafs_only)


def _value(choice: Element) -> str:
    # annotations carry the alias where there is one
    return choice.get("alias") or choice.get("value") or ""
