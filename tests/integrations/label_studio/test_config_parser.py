import pytest

from integrations.label_studio.config_parser import Control, UnsupportedConfig, parse_config
from tests.integrations.label_studio.conftest import capture

IMAGE = '<Image name="image" value="$image"/>'
TEXT = '<Text name="text" value="$text"/>'


def view(*tags: str) -> str:
    return f"<View>{''.join(tags)}</View>"


def test_the_captured_config_is_three_choices_about_an_image() -> None:
    assert parse_config(capture("setup_request")["schema"]) == Control(
        "label", "image", "choices", False, ("cat", "dog", "bird"), "image", "image"
    )


@pytest.mark.parametrize(
    ("name", "classes"),
    [("multi", ("red", "green", "b")), ("tax", ("Animal", "Animal > Cat", "Animal > Dog"))],
)
def test_of_several_controls_one_is_chosen_and_aliases_are_what_counts(
    name: str, classes: tuple[str, ...]
) -> None:
    config = capture("setup_request_basic_auth_extra_params")["schema"]
    control = parse_config(config, control=name)
    assert (control.classes, control.multi) == (classes, True)


def test_several_controls_want_a_choice_and_are_listed() -> None:
    config = capture("setup_request_basic_auth_extra_params")["schema"]
    with pytest.raises(UnsupportedConfig, match=r"multi \(Choices\), tax \(Taxonomy\), box") as one:
        parse_config(config)
    assert "--control NAME" in one.value.remedy
    with pytest.raises(UnsupportedConfig, match="no control tag is called 'nix'"):
        parse_config(config, control="nix")


@pytest.mark.parametrize("choice", ["single", "single-radio"])
def test_choices_are_single_unless_they_say_multiple(choice: str) -> None:
    tag = f'<Choices name="c" toName="text" choice="{choice}"><Choice value="a"/></Choices>'
    assert not parse_config(view(TEXT, tag)).multi


def test_rating_offers_its_numbers() -> None:
    control = parse_config(view(TEXT, '<Rating name="r" toName="text" maxRating="3"/>'))
    assert (control.kind, control.classes, control.multi) == ("rating", ("1", "2", "3"), False)
    assert len(parse_config(view(TEXT, '<Rating name="r" toName="text"/>')).classes) == 5


def test_taxonomy_may_be_of_leaves_only_and_used_once() -> None:
    tree = '<Choice value="A"><Choice value="x"/><Choice value="y"/></Choice><Choice value="B"/>'
    tag = f'<Taxonomy name="t" toName="text" leafsOnly="true" maxUsages="1">{tree}</Taxonomy>'
    control = parse_config(view(TEXT, tag))
    assert (control.classes, control.multi) == (("A > x", "A > y", "B"), False)


def test_hypertext_and_texts_by_address_are_told_apart() -> None:
    tag = '<Choices name="c" toName="h"><Choice value="a"/></Choices>'
    html = parse_config(view('<HyperText name="h" value="$page" valueType="url"/>', tag))
    assert (html.content, html.data_key, html.by_url) == ("html", "page", True)


CHOICE = '<Choice value="a"/>'


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        (['<RectangleLabels name="r" toName="image"><Label value="a"/></RectangleLabels>'], "Rect"),
        (['<KeyPointLabels name="k" toName="image"><Label value="a"/></KeyPointLabels>'], "KeyP"),
        ([f'<Choices name="c" toName="image" perRegion="true">{CHOICE}</Choices>'], "perRegion"),
        (
            [f'<Choices name="c" toName="image" visibleWhen="region-selected">{CHOICE}</Choices>'],
            "condition",
        ),
        (
            [
                '<View visibleWhen="choice-selected" whenTagName="x"><View>'
                f'<Choices name="c" toName="image">{CHOICE}</Choices></View></View>'
            ],
            "condition",
        ),
        (['<Choices name="c" toName="image" value="$options"/>'], "come from the task"),
        (['<Choices name="c" toName="image"/>'], "no choices"),
        ([f'<Choices name="c" toName="image">{CHOICE}{CHOICE}</Choices>'], "twice"),
        ([f'<Choices name="c" toName="other">{CHOICE}</Choices>'], "does not show"),
        (
            [f'<Audio name="a" value="$a"/><Choices name="c" toName="a">{CHOICE}</Choices>'],
            "a Audio tag",
        ),
        ([f'<Choices name="c" toName="image"><Choice value="b">{CHOICE}</Choice></Choices>'], "in"),
        (['<Rating name="r" toName="image" maxRating="many"/>'], "maxRating"),
        ([], "no control tag"),
    ],
)
def test_what_cannot_be_answered_is_refused_and_what_can_is_said(
    tags: list[str], said: str
) -> None:
    with pytest.raises(UnsupportedConfig, match=said) as refused:
        parse_config(view(IMAGE, *tags))
    assert "Choices, Taxonomy and Rating" in refused.value.remedy


@pytest.mark.parametrize(
    "config",
    [
        "<View>",
        "",
        '<!DOCTYPE x [<!ENTITY a "aaaa">]><View>&a;</View>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><View/>',
    ],
)
def test_broken_and_hostile_xml_is_refused(config: str) -> None:
    with pytest.raises(UnsupportedConfig):
        parse_config(config)
