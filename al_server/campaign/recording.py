"""From the answers that people send to the events of the log."""

from collections.abc import Sequence

from al_server.campaign.ledger import Answer, KeyUse, Ledger
from al_server.campaign.names import Names
from al_server.campaign.pool_state import Label
from al_server.errors import ALError, KeyReused
from al_server.models import AnswerIn
from al_server.store.event_log import Event, StoredLabel


def answer_events(answers: Sequence[AnswerIn], names: Names, ledger: Ledger) -> list[Event]:
    """Return what the answers add to the log; an answer that stands already adds nothing.

    Raises
    ------
    UnknownSample, UnknownClass, BadInput, KeyReused
        For the first answer that cannot be taken; then none of them is.
    """
    events: list[Event] = []
    standing: dict[tuple[int, str], Label | None] = {}
    keys: dict[str, KeyUse] = {}
    for place, answer in enumerate(answers):
        try:
            row = names.row(answer.sample_id)
            label = None if answer.label is None else names.label(answer.label)
        except ALError as error:
            error.message = f"labels[{place}]: {error.message}"
            raise
        if answer.key is not None:
            use = KeyUse(row, answer.annotator, label)
            before = ledger.keys.get(answer.key) or keys.get(answer.key)
            if before is not None and before != use:
                raise KeyReused(
                    f"labels[{place}]: the key {answer.key!r} came with another answer before, "
                    f"on {names.sample_ids[before.row]!r} by {before.annotator!r}",
                    "give each answer a key of its own; repeat one only to send the same again",
                )
            if before is not None:
                continue
            keys[answer.key] = use
        person = (row, answer.annotator)
        earlier = ledger.answers.get(row, {}).get(answer.annotator)
        if person in standing:
            stands = standing[person] == label
        else:
            stands = earlier is not None and _repeats(label, earlier, n_classes=len(names.classes))
        if stands:
            if answer.key is not None:
                # nothing changes, but a late repeat of this key must not count after an undo
                event = Event("repeat", row, answer.annotator, as_stored(label), key=answer.key)
                events.append(event)
            continue
        standing[person] = label
        events.append(
            Event(
                kind="skip" if label is None else "label",
                row=row,
                annotator=answer.annotator,
                label=as_stored(label),
                lead_time_s=answer.lead_time_s,
                key=answer.key,
            )
        )
    return events


def _repeats(label: Label | None, earlier: Answer, *, n_classes: int) -> bool:
    # a multi-label answer given again after classes were appended says no to the new ones
    return label == earlier.label and (
        not isinstance(label, tuple) or earlier.n_classes == n_classes
    )


def as_stored(label: Label | None) -> StoredLabel:
    """Return a label as the log keeps it."""
    return list(label) if isinstance(label, tuple) else label
