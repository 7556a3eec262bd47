"""The tasks of a project as the samples of a campaign."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import wait
from pathlib import Path
from typing import Any

from al_server.answers import Failure
from al_server.campaign.campaign import Campaign
from integrations.label_studio.client import Client
from integrations.label_studio.config_parser import Control
from integrations.label_studio.media import MediaFetcher
from integrations.label_studio.samples import is_task, sample_of, task_of, write_samples

_PATIENCE_S = 1.0


class Intake:
    """Takes tasks in, and knows which are here. `bring` is for one thread at a time.

    Parameters
    ----------
    campaign, client : from where to where
    project : number of the project
    folder : where samples are kept
    media : fetches what tasks only point to
    failures : tasks that could not be taken in
    meanwhile : called now and then while tasks are embedded

    Attributes
    ----------
    failures : by sample
    """

    def __init__(
        self,
        campaign: Campaign,
        client: Client,
        project: int,
        *,
        folder: Path,
        media: MediaFetcher,
        failures: Iterable[Failure],
        meanwhile: Callable[[], None],
    ) -> None:
        self.failures = {one.sample: one for one in failures}
        self._campaign = campaign
        self._client = client
        self._project = project
        self._folder = folder
        self._media = media
        self._meanwhile = meanwhile

    def known(self) -> set[int]:
        """Return the tasks that are here, and those that could not be taken in."""
        # samples that were added here, by another source, are no tasks
        samples = [one for one in self._campaign.sample_ids() if is_task(one)]
        return {task_of(one) for one in [*samples, *self.failures]}

    def bring(self, control: Control, *, missing: Collection[int] = ()) -> list[int]:
        """Take in the tasks after the last that is known, and the missing; return which came."""
        known = self.known()
        after = min(missing) - 1 if missing else max(known, default=0)
        tasks = list(self._client.tasks(self._project, after=after))
        tasks = [one for one in tasks if int(one["id"]) not in known]
        if tasks:
            self._take_in(tasks, control)
        return [int(one["id"]) for one in tasks]

    def forget(self, tasks: Iterable[int]) -> None:
        """Let go of tasks that could not be taken in and are gone."""
        for task in tasks:
            self.failures.pop(sample_of(self._campaign, task), None)

    def give_up_failures(self) -> set[int]:
        """Forget, and return, the tasks that could not be taken in."""
        tasks = {task_of(one) for one in self.failures}
        self.failures.clear()
        return tasks

    def _take_in(self, tasks: Sequence[Mapping[str, Any]], control: Control) -> None:
        """Let tasks join the campaign; what cannot be used is listed with its reason."""
        named = [{**one, "id": sample_of(self._campaign, one["id"])} for one in tasks]
        written = write_samples(
            named, control, self._folder, self._media, progress=lambda _done, _all: None
        )
        self.failures.update((one.sample, one) for one in written.failures)
        if written.source is None:
            return
        taken_in = self._campaign.take_in(written.source)
        while not wait([taken_in], timeout=_PATIENCE_S).done:
            self._meanwhile()
        taken_in.result()
        lost = {one for one in written.sample_ids if not self._campaign.has_sample(one)}
        reasons = {one.sample: one.reason for one in self._campaign.failures}
        for sample_id in lost:
            reason = reasons.get(sample_id, self._campaign.message or "could not be taken in")
            self.failures[sample_id] = Failure(sample=sample_id, reason=reason)
