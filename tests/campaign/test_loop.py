"""What the loop does when something breaks between the log and the arrays."""

import pytest

from tests.campaign.conftest import MakeToy


def test_arrays_that_hold_half_of_what_the_log_holds_are_not_labeled_on(
    make_toy: MakeToy, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = make_toy(5)
    loop = toy.open()
    n_classes = len(loop.names.classes)

    def fail(_n_classes: int) -> None:
        raise MemoryError("no room for the votes")

    monkeypatch.setattr(loop.pool, "add_classes", fail)
    with pytest.raises(MemoryError):
        loop.add_classes(["dogwood"])
    assert loop.has_backlog()
    with pytest.raises(RuntimeError, match="log"):
        loop.work_off_one()
    assert len(toy.open().names.classes) == n_classes + 1, "a restart takes it from the log"
