"""How a connection that runs stands."""

from integrations.label_studio.link import Link
from integrations.label_studio.models import FAILING, QueueInfo
from integrations.label_studio.samples import task_of

_N_SHOWN = 100


def facts_of(link: Link) -> dict[str, object]:
    """Return what `ConnectionInfo` tells of a connection that runs."""
    listed = link.queue.listed()
    times = sorted(link.handled_s)
    problems = list(link.problems)
    if link.worker.failure is not None:
        problems.append(f"{FAILING}: {link.worker.failure}")
    n_opened = sum(entry.served for _, entry in listed)
    failures = link.failures
    if not listed and link.reconciled_at is not None:
        spent = link.campaign.spec.budget is not None
        problems.append(
            "the queue is empty: "
            + ("the budget is spent, or " if spent else "")
            + "every task was answered, or skipped; Label Studio shows what is left at random"
        )
    return {
        "label_at": f"{link.record.url}/projects/{link.record.project}/data",
        "queue": QueueInfo(
            waiting=len(listed) - n_opened,
            opened=n_opened,
            target=link.queue.target,
            next=[task_of(sample_id) for sample_id, _ in listed[:10]],
        ),
        "n_annotations": len(link.sync.book),
        "n_events": link.n_events,
        "n_missed": link.n_missed,
        "lag_s": link.lag_s,
        "handled_p95_s": times[int(0.95 * (len(times) - 1))] if times else None,
        "reconciled_at": link.reconciled_at,
        "problems": problems,
        "failures": failures[:_N_SHOWN],
        "n_failures": len(failures),
    }
