"""Re-embeddings of all campaigns: asked for, run in the background, compared, switched to."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from al_server.answers import Gain, ReembedInfo, VectorsCompared
from al_server.campaign.campaign import Campaign
from al_server.campaign.intake import Workplace
from al_server.campaign.reembedding import NewVectors, check_request, make_vectors
from al_server.errors import ALError, BadInput, Busy, NotFound
from al_server.models import ReembedIn
from al_server.store.catalog import Catalog
from embeddings.errors import EmbeddingError, Interrupted
from embeddings.paired_gain import PairedGain

_log = logging.getLogger(__name__)
Report = Callable[[float, str], None]
MakeWorkplace = Callable[[Report, Callable[[], bool]], Workplace]
_EMBEDDED = 0.95  # share of the progress bar; the rest is the switch


@dataclass
class _Job:
    info: ReembedInfo
    stop: threading.Event = field(default_factory=threading.Event)

    def tell(self, **changes: object) -> None:
        """Replace the info as a whole: readers are in other threads."""
        self.info = self.info.model_copy(update=changes)


class ReembeddingDesk:
    """Takes re-embeddings, one at a time for each campaign. Called from any thread.

    Parameters
    ----------
    executor : where they run
    catalog : of the campaigns
    workplace : makes one that reports and stops as it is told
    check_embedder : refuses a name, or a path of weights, that may not be used
    switched : called with the name of a campaign that has other vectors from now on
    """

    def __init__(
        self,
        *,
        executor: Executor,
        catalog: Catalog,
        workplace: MakeWorkplace,
        check_embedder: Callable[[str, str | None], None],
        switched: Callable[[str], object],
    ) -> None:
        self._executor = executor
        self._catalog = catalog
        self._workplace = workplace
        self._check_embedder = check_embedder
        self._switched = switched
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.Lock()

    def start(self, campaign: Campaign, asked: ReembedIn) -> ReembedInfo:
        """Begin to make other vectors.

        Raises
        ------
        BadInput, UnknownPlugin
            If what is asked for cannot be.
        Busy
            If the campaign is being re-embedded already.
        """
        try:
            check_request(asked, campaign.prepared, campaign.spec.task)
        except EmbeddingError as error:
            raise BadInput(error.message, error.remedy) from error
        if asked.embedder is not None:
            self._check_embedder(asked.embedder, asked.checkpoint)
        name = campaign.spec.name
        with self._lock:
            running = self._jobs.get(name)
            if running is not None and running.info.state == "running":
                raise Busy(f"{name} is being re-embedded already", "wait for it, or stop it")
            info = ReembedInfo(state="running", asked=asked, progress=0, message="waiting its turn")
            job = _Job(info)
            self._executor.submit(self._guarded, campaign, asked, job)
            self._jobs[name] = job
        return job.info

    def info(self, name: str) -> ReembedInfo:
        """Return the last re-embedding of a campaign.

        Raises
        ------
        NotFound
            If none was asked for since the server started.
        """
        job = self._jobs.get(name)
        if job is None:
            raise NotFound(
                f"{name} was not re-embedded since the server started", "ask for it by POST"
            )
        return job.info

    def stop(self, name: str) -> ReembedInfo:
        """Ask a running re-embedding to stop; the campaign stays as it was."""
        info = self.info(name)
        self._jobs[name].stop.set()
        return info

    def _guarded(self, campaign: Campaign, asked: ReembedIn, job: _Job) -> None:
        try:
            with campaign.changing:
                self._run(campaign, asked, job)
        except Interrupted:
            job.tell(state="failed", error="stopped; the campaign is as it was")
        except (ALError, EmbeddingError) as error:
            reason = f"{error.message}; {error.remedy}" if error.remedy else error.message
            job.tell(state="failed", error=reason)
        except Exception as error:
            _log.exception("campaign %s could not be re-embedded", campaign.spec.name)
            job.tell(state="failed", error=f"{type(error).__name__}: {error}")

    def _run(self, campaign: Campaign, asked: ReembedIn, job: _Job) -> None:
        def report(share: float, what: str) -> None:
            job.tell(progress=share * _EMBEDDED, message=what)

        workplace = self._workplace(report, job.stop.is_set)
        has_vectors = campaign.prepared.kind == "vector"
        campaign.files.drop_other_generations(keep_first=has_vectors)  # of a run that was killed
        try:
            new = make_vectors(campaign, asked, catalog=self._catalog, workplace=workplace)
            job.tell(
                compared=compared(new.gain),
                metric=_told_of_metric(new),
                n_features=new.prepared.n_features,
                progress=_EMBEDDED,
            )
            if asked.switch == "always" or (asked.switch == "if_better" and new.gain.is_better):
                job.tell(message="switching to the new vectors")
                self._switch(campaign, new)
                job.tell(switched=True)
        finally:
            # by now the campaign's files are those that it goes on with
            campaign.files.drop_other_generations(keep_first=has_vectors)
        job.tell(state="done", progress=1.0, message=told(job.info))

    def _switch(self, campaign: Campaign, new: NewVectors) -> None:
        prepared = new.prepared
        data = {
            "generation": prepared.generation,
            "embedder": prepared.embedder,
            "reduce": prepared.reduce,
            "metric": prepared.metric,
        }
        campaign.change_vectors(prepared, new.files, data)
        campaign.message = prepared.message
        self._switched(campaign.spec.name)


def compared(gain: PairedGain) -> VectorsCompared:
    """Return a comparison as it is answered."""
    return VectorsCompared(
        n=gain.n,
        old=gain.before,
        new=gain.after,
        gain=Gain(mean=gain.gain, low=gain.low, high=gain.high),
        p_value=gain.p_value,
        verdict="better" if gain.is_better else "worse" if gain.is_worse else "undecided",
    )


def told(info: ReembedInfo) -> str:
    """Say in a sentence what came out."""
    found = info.compared
    if found is None or found.n < 2:
        said = "not compared: too few labels, or the vectors in use cannot be made again"
    else:
        said = (
            f"with each label left out in turn, the nearest labeled samples are right on "
            f"{found.new:.1%} of {found.n:,} labels, "
            f"before {found.old:.1%} (gain {found.gain.mean:+.1%}, 95% interval "
            f"{found.gain.low:+.1%} to {found.gain.high:+.1%}, sign test {_p(found.p_value)}): "
            f"{found.verdict}"
        )
    done = "the campaign goes on with the new vectors" if info.switched else "nothing was changed"
    return f"{said}; {done}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _told_of_metric(new: NewVectors) -> str | None:
    metric = new.metric
    if metric is None:
        return None
    if metric.kind is None:
        return "no metric was learned: there are too few labels"
    gain = metric.gain
    adopted = (
        "taken"
        if metric.reduction is not None
        else "not taken: it is worse"
        if gain.is_worse
        else "not taken: that may be chance"
    )
    return (
        f"{metric.kind}: {gain.after:.1%} in cross-validation, {gain.before:.1%} without "
        f"(95% interval of the gain {gain.low:+.1%} to {gain.high:+.1%}); {adopted}"
    )
