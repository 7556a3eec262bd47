"""Between the names people use and the numbers inside: the one place that translates."""

from collections.abc import Sequence

from al_server.campaign.pool_state import Label
from al_server.errors import BadInput, UnknownClass, UnknownSample
from al_server.models import Label as LabelName
from strategies.tie_keys import tie_keys

__all__ = ["Names", "tie_keys"]


class Names:
    """The samples and classes of one campaign; both lists only grow.

    Parameters
    ----------
    campaign : name, for messages
    multi : bool, several classes per sample
    """

    def __init__(self, campaign: str, *, multi: bool) -> None:
        self.sample_ids: list[str] = []
        self.classes: list[str] = []
        self._campaign = campaign
        self._multi = multi
        self._row_of: dict[str, int] = {}
        self._class_of: dict[str, int] = {}

    def add_samples(self, sample_ids: Sequence[str]) -> None:
        """Append samples, whose rows follow those there are."""
        first = len(self.sample_ids)
        self.sample_ids.extend(sample_ids)
        self._row_of.update(zip(sample_ids, range(first, len(self.sample_ids)), strict=True))

    def add_classes(self, names: Sequence[str]) -> None:
        """Append classes."""
        first = len(self.classes)
        self.classes.extend(names)
        self._class_of.update(zip(names, range(first, len(self.classes)), strict=True))

    def has_sample(self, sample_id: str) -> bool:
        """Tell whether the pool holds a sample."""
        return sample_id in self._row_of

    def row(self, sample_id: str) -> int:
        """Return the row of a sample.

        Raises
        ------
        UnknownSample
            If the pool does not hold it.
        """
        try:
            return self._row_of[sample_id]
        except KeyError:
            example = f"; the first is {self.sample_ids[0]!r}" if self.sample_ids else ""
            raise UnknownSample(
                f"campaign {self._campaign!r} has no sample {sample_id!r}",
                f"it holds {len(self.sample_ids)} samples{example}",
            ) from None

    def label(self, name: LabelName) -> Label:
        """Return a class name as its index, or a list of names as a tuple of indices.

        Raises
        ------
        UnknownClass
            If the campaign has no such class.
        BadInput
            If the label does not fit the campaign's task.
        """
        if isinstance(name, list) != self._multi:
            wanted = "a list of class names" if self._multi else "one class name"
            raise BadInput(
                f"label {name!r} does not fit: campaign {self._campaign!r} wants {wanted}",
                f"send {wanted}",
            )
        if isinstance(name, list):
            return tuple(sorted({self._class(one) for one in name}))
        return self._class(name)

    def label_name(self, label: Label) -> LabelName:
        """Return an index as its class name, or several as a list of names."""
        if isinstance(label, tuple):
            return [self.classes[c] for c in label]
        return self.classes[label]

    def _class(self, name: str) -> int:
        try:
            return self._class_of[name]
        except KeyError:
            known = ", ".join(repr(known) for known in self.classes[:20])
            more = f" and {len(self.classes) - 20} more" if len(self.classes) > 20 else ""
            raise UnknownClass(
                f"campaign {self._campaign!r} has no class {name!r}",
                f"its classes are {known}{more}; a new one must be appended first",
            ) from None
