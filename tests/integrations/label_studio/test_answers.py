import pytest

from integrations.label_studio.answers import label_of, read_annotation, result_of
from integrations.label_studio.config_parser import parse_config
from tests.integrations.label_studio.conftest import capture

RICH = capture("setup_request_basic_auth_extra_params")["schema"]
SIMPLE = parse_config(capture("setup_request")["schema"])
RATING = parse_config(
    '<View><Text name="t" value="$t"/><Rating name="label" toName="t" maxRating="5"/></View>'
)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("webhook_ANNOTATION_CREATED", "cat"),
        ("webhook_ANNOTATION_CREATED_from_UI_prefilled", "cat"),
        ("webhook_ANNOTATION_CREATED_skipped", None),
        ("webhook_ANNOTATION_CREATED_with_prediction_and_draft", "bird"),
        ("webhook_ANNOTATION_UPDATED", "dog"),
        ("webhook_ANNOTATION_UPDATED_ground_truth", "dog"),
    ],
)
def test_captured_annotations_are_read(name: str, label: str | None) -> None:
    raw = capture(name)["annotation"]
    annotation = read_annotation(raw, SIMPLE)
    assert annotation.label == label
    assert annotation.annotator == "ls:1"
    assert (annotation.id, annotation.sample_id) == (raw["id"], str(raw["task"]))
    assert annotation.lead_time_s == raw["lead_time"]


@pytest.mark.parametrize(("control", "label"), [("multi", ["red", "b"]), ("tax", ["Animal > Cat"])])
def test_of_an_annotation_of_several_controls_one_is_read(control: str, label: list[str]) -> None:
    raw = capture("webhook_ANNOTATION_CREATED_multi_taxonomy_rectangle")["annotation"]
    assert read_annotation(raw, parse_config(RICH, control=control)).label == label


def test_the_second_annotator_is_somebody_else() -> None:
    raw = capture("webhook_ANNOTATION_CREATED_second_annotator_overlap2")["annotation"]
    assert read_annotation(raw, parse_config(RICH, control="multi")).annotator == "ls:3"


@pytest.mark.parametrize(
    "control", [SIMPLE, *(parse_config(RICH, control=c) for c in ("multi", "tax"))]
)
def test_what_is_pre_selected_reads_back_as_the_same_label(control: object) -> None:
    assert isinstance(control, type(SIMPLE))
    label = list(control.classes[:2]) if control.multi else control.classes[0]
    assert label_of(result_of(label, control), control) == label


def test_a_rating_is_a_number_there_and_a_class_here() -> None:
    assert result_of("4", RATING)[0]["value"] == {"rating": 4}
    assert label_of(result_of("4", RATING), RATING) == "4"


def test_before_the_first_label_nothing_is_pre_selected() -> None:
    assert result_of(None, SIMPLE) == result_of([], parse_config(RICH, control="multi")) == []


def test_to_choose_none_of_several_is_an_answer_and_to_say_nothing_is_a_skip() -> None:
    assert label_of([], parse_config(RICH, control="multi")) == []
    assert label_of([], SIMPLE) is None


def test_times_compare_as_text_whatever_their_fractions_and_zones() -> None:
    raw = capture("webhook_ANNOTATION_CREATED")["annotation"]
    times = ["2026-11-21T06:40:21Z", "2026-11-21T06:40:21.5Z", "2026-11-21T08:40:22+02:00"]
    read = [read_annotation({**raw, "updated_at": one}, SIMPLE).updated_at for one in times]
    assert read == sorted(read)
    assert len({len(one) for one in read}) == 1


@pytest.mark.parametrize("missing", ["id", "task", "updated_at"])
def test_half_an_annotation_is_refused(missing: str) -> None:
    raw = dict(capture("webhook_ANNOTATION_CREATED")["annotation"])
    del raw[missing]
    with pytest.raises(ValueError, match="lacks"):
        read_annotation(raw, SIMPLE)


@pytest.mark.parametrize("lead_time", [None, -3, 1e12, "soon"])
def test_times_that_nobody_takes_are_left_out(lead_time: object) -> None:
    raw = {**capture("webhook_ANNOTATION_CREATED")["annotation"], "lead_time": lead_time}
    assert read_annotation(raw, SIMPLE).lead_time_s is None
