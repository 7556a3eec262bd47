"""All campaigns of one data folder: making, opening, finding and closing them."""

import logging
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches

from al_server.answers import CampaignInfo
from al_server.campaign.campaign import Campaign
from al_server.campaign.embedding import check_permitted
from al_server.campaign.intake import Intake, Workplace
from al_server.campaign.opening import open_campaign
from al_server.campaign.pool_files import PoolFiles, files_of
from al_server.campaign.reembedding_desk import ReembeddingDesk
from al_server.campaign.strategy import make_strategy
from al_server.comparisons.desk import ComparisonDesk
from al_server.comparisons.process import Process, Start
from al_server.config import Settings
from al_server.curation.desk import CurationDesk
from al_server.data_folder import DataFolder
from al_server.errors import ALError, BadInput, NotReady, UnknownCampaign
from al_server.integration import integration_folder
from al_server.models import CampaignSpec, Source
from al_server.sources.fetch import Fetcher
from al_server.sources.paths import resolve
from al_server.store.catalog import Catalog, StoredCampaign
from al_server.store.database import open_database, sqlite_url
from al_server.store.event_log import EventLog
from al_server.warm_up import warm_up
from embeddings.errors import EmbeddingError
from embeddings.reduction import check_installed, parse_reduction

_log = logging.getLogger(__name__)


@dataclass
class _Work:
    """What the background does for one campaign."""

    share: float = 0.0
    message: str = "waiting its turn"


class CampaignRegistry:
    """All campaigns of one data folder. Every method may be called from any thread.

    Parameters
    ----------
    settings : how the server runs
    executor : where samples are taken in; default: one thread, so that one embedding at a time
        has the machine
    start_comparison : starts a comparison of strategies; default: in a process of its own
    opens : whether campaigns are opened at once, in the background; else `open_all` begins it

    Attributes
    ----------
    comparisons : of strategies, on the labels of a campaign
    curations : which samples of a campaign are worth keeping
    reembeddings : other vectors for the samples of a campaign

    Raises
    ------
    DataFolderInUse
        If another server works on the data folder.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        executor: Executor | None = None,
        start_comparison: Start = Process,
        opens: bool = True,
    ) -> None:
        self._settings = settings
        self._folder = DataFolder(settings.data)
        # what integrations bring along may be read whatever the roots are
        self._roots = (*settings.roots, integration_folder(settings.data))
        self._engine = open_database(sqlite_url(self._folder.path / "al.db"))
        self._catalog = Catalog(self._engine)
        self._executor = executor or ThreadPoolExecutor(1, thread_name_prefix="intake")
        self.comparisons = ComparisonDesk(self._folder.path, start=start_comparison)
        self.curations = CurationDesk()
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self.reembeddings = ReembeddingDesk(
            executor=self._executor,
            catalog=self._catalog,
            workplace=self._reporting_workplace,
            check_embedder=self._check_embedder,
            switched=self._reload,
        )
        self._stored = {stored.name: stored for stored in self._catalog.all()}
        self._campaigns: dict[str, Campaign] = {}
        self._work: dict[str, _Work] = {}
        self._unopened: dict[str, str] = {}  # campaigns that cannot be opened, and why
        self._opener = threading.Thread(
            target=self._open_all, args=(list(self._stored.values()),), name="opener", daemon=True
        )
        if opens:
            self.open_all()

    def open_all(self) -> None:
        """Begin to open the campaigns there are; once."""
        self._opener.start()

    def close(self) -> None:
        """Stop the background, finish what was asked of the campaigns, free the folder."""
        self._stopping.set()
        self.comparisons.close()
        self.curations.close()
        if self._opener.ident is not None:
            self._opener.join()
        self._executor.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            for campaign in self._campaigns.values():
                campaign.close()
        self._engine.dispose()
        self._folder.release()

    # -- finding -------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return the names of all campaigns, oldest first; opens none of them."""
        return list(self._stored)

    def infos(self) -> list[CampaignInfo]:
        """Return all campaigns, oldest first."""
        return [self.info(name) for name in self.names()]

    def info(self, name: str) -> CampaignInfo:
        """Return a campaign in whatever state.

        Raises
        ------
        UnknownCampaign
            If there is none of that name; it lists those that exist.
        """
        stored = self._find(name)
        if stored.state == "ready":
            try:
                return self._campaign(stored).info()
            except NotReady as error:
                stored = replace(stored, state="failed", error=error.message)
        return _unready_info(stored, self._work.get(name, _Work()))

    def spec(self, name: str) -> CampaignSpec:
        """Return what a campaign was made from, in whatever state it is.

        Raises
        ------
        UnknownCampaign
        """
        return self._find(name).spec

    def campaign(self, name: str) -> Campaign:
        """Return a campaign that is ready.

        Raises
        ------
        UnknownCampaign, NotReady
        """
        stored = self._find(name)
        if stored.state == "preparing":
            work = self._work.get(name, _Work())
            raise NotReady(
                f"campaign {name!r} is still preparing: {work.message} ({work.share:.0%})",
                "wait until its state is ready",
            )
        if stored.state == "failed":
            raise NotReady(
                f"campaign {name!r} could not be prepared: {stored.error}",
                "make a new one from a mended source",
            )
        return self._campaign(stored)

    def is_ready(self) -> bool:
        """Tell whether all campaigns that can be open are open."""
        ready = [name for name, stored in self._stored.items() if stored.state == "ready"]
        return all(name in self._campaigns or name in self._unopened for name in ready) and all(
            campaign.info().state == "ready" for campaign in list(self._campaigns.values())
        )

    def _find(self, name: str) -> StoredCampaign:
        stored = self._stored.get(name)
        if stored is None:
            near = get_close_matches(name, self._stored, n=1)
            known = ", ".join(repr(known) for known in self._stored) or "none yet"
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UnknownCampaign(f"there is no campaign {name!r}", f"{hint}there are: {known}")
        return stored

    def _campaign(self, stored: StoredCampaign) -> Campaign:
        with self._lock:
            if stored.name not in self._campaigns:
                self._campaigns[stored.name] = self._open(stored)
            return self._campaigns[stored.name]

    def _open(self, stored: StoredCampaign) -> Campaign:
        if stored.name not in self._unopened:
            try:
                return open_campaign(
                    stored,
                    engine=self._engine,
                    files=self._files(stored),
                    take_in=self._add_samples,
                )
            except Exception as error:
                # a lost file, say: the other campaigns must open all the same
                _log.exception("campaign %s cannot be opened", stored.name)
                self._unopened[stored.name] = f"{type(error).__name__}: {error}"
        raise NotReady(
            f"campaign {stored.name!r} cannot be opened: {self._unopened[stored.name]}",
            "bring back what is missing in the data folder, then restart the server",
        )

    def _files(self, stored: StoredCampaign) -> PoolFiles:
        return files_of(self._folder.path, stored)

    def _open_all(self, stored_before: list[StoredCampaign]) -> None:
        warm_up()
        for stored in stored_before:
            if self._stopping.is_set():
                return
            if stored.state == "preparing":
                self._in_background(stored.name, self._prepare)
            elif stored.state == "ready":
                warm_up(stored.spec.strategy)
                with suppress(NotReady):
                    campaign = self._campaign(stored)
                    for source in campaign.files.additions():
                        self._add_in_background(campaign, source)

    # -- making --------------------------------------------------------------------------------

    def create(self, spec: CampaignSpec) -> CampaignInfo:
        """Make a campaign; its samples are taken in in the background.

        Raises
        ------
        AlreadyExists
            If the name is taken.
        BadInput, OutsideRoots, UnknownPlugin
            If what is asked for cannot be.
        """
        self._check(spec)
        with self._lock:
            failed = self._stored.get(spec.name)
            stored = self._catalog.add(spec)
            if failed is not None:  # its name is free again; what it left behind is not
                shutil.rmtree(self._files(failed).folder)
            self._stored[spec.name] = stored
        self._in_background(spec.name, self._prepare)
        return self.info(spec.name)

    def _check(self, spec: CampaignSpec) -> None:
        make_strategy(spec.strategy)
        if spec.embedder is not None:
            self._check_embedder(spec.embedder, spec.checkpoint)
        elif spec.checkpoint is not None:
            raise BadInput(
                "a checkpoint alone does not say which network it belongs to",
                "name it: embedder timm:NAME",
            )
        try:
            check_installed(parse_reduction(spec.reduce))
        except EmbeddingError as error:
            raise BadInput(error.message, error.remedy) from error
        if len(set(spec.classes)) < len(spec.classes):
            raise BadInput("a class is named twice", "name each class once")
        for path in (spec.source.path, spec.source.annotations, spec.holdout):
            if path is not None:
                resolve(path, self._roots)

    def _check_embedder(self, name: str, checkpoint: str | None) -> None:
        check_permitted(name, networks=self._settings.networks, roots=self._roots)
        if checkpoint is not None:
            resolve(checkpoint, self._roots)

    def _in_background(self, name: str, run: Callable[[str, "_Work"], None]) -> "Future[None]":
        work = self._work[name] = _Work()
        return self._executor.submit(self._guarded, name, run, work)

    def _guarded(self, name: str, run: Callable[[str, "_Work"], None], work: _Work) -> None:
        """Run; an error becomes the campaign's state, an interruption leaves it as it was."""
        from embeddings.errors import Interrupted

        try:
            run(name, work)
        except Interrupted:
            _log.info("campaign %s: stopped, goes on at the next start", name)
        except (ALError, EmbeddingError) as error:
            self._fail(name, f"{error.message}; {error.remedy}" if error.remedy else error.message)
        except Exception as error:
            _log.exception("campaign %s could not take samples in", name)
            self._fail(name, f"{type(error).__name__}: {error}")

    def _fail(self, name: str, reason: str) -> None:
        campaign = self._campaigns.get(name)
        if campaign is not None:  # what is running stays as it is
            campaign.error = f"no samples were added: {reason}"
            return
        self._catalog.set_state(self._stored[name].id, "failed", error=reason)
        self._reload(name)

    def _reload(self, name: str) -> StoredCampaign:
        stored = next(stored for stored in self._catalog.all() if stored.name == name)
        self._stored[name] = stored
        return stored

    def _prepare(self, name: str, work: _Work) -> None:
        stored = self._stored[name]
        files = self._files(stored)
        intake = Intake(stored.spec, files, self._workplace(work))
        intake.prepare(stored, EventLog(self._engine, stored.id))
        work.message = "compiling the kernels; only the first start takes this long"
        warm_up(stored.spec.strategy)
        self._campaign(self._reload(name))

    def _add_samples(self, campaign: Campaign, source: Source) -> "Future[None]":
        resolve(source.path, self._roots)
        campaign.files.remember_addition(source)
        return self._add_in_background(campaign, source)

    def _add_in_background(self, campaign: Campaign, source: Source) -> "Future[None]":
        from embeddings.errors import Interrupted

        campaign.adding, campaign.error = 0.0, None
        campaign.message = f"taking in {source.path}: waiting its turn"

        def add(_name: str, work: _Work) -> None:
            try:
                self._add(campaign, source, work)
            except Interrupted:
                raise  # remembered, and taken up at the next start
            except Exception:
                campaign.files.forget_addition(source)
                campaign.message = campaign.prepared.message
                raise
            finally:
                campaign.adding = None
            campaign.files.forget_addition(source)

        return self._in_background(campaign.spec.name, add)

    def _add(self, campaign: Campaign, source: Source, work: _Work) -> None:
        with campaign.changing:
            intake = Intake(campaign.spec, campaign.files, self._workplace(work, campaign))
            addition = intake.add(source, campaign.stored)
            n_added = campaign.on_writer(lambda: addition.join(campaign.loop))
        campaign.failures.extend(addition.failures)
        self._catalog.set_state(campaign.stored.id, "ready", failures=campaign.failures)
        n_known = addition.n_samples - n_added
        campaign.message = f"{n_added} samples added, {n_known} were there already"

    def _workplace(self, work: _Work, campaign: Campaign | None = None) -> Workplace:
        def report(share: float, what: str) -> None:
            work.share, work.message = share, what
            if campaign is not None:
                campaign.adding = share
                campaign.message = f"taking in more samples: {what}"

        return self._reporting_workplace(report, lambda: False)

    def _reporting_workplace(
        self, report: Callable[[float, str], None], should_stop: Callable[[], bool]
    ) -> Workplace:
        return Workplace(
            roots=self._roots,
            networks=self._settings.networks,
            fetch=Fetcher(self._folder.path / "media", self._settings.fetch_hosts),
            cache_file=self._folder.path / "cache" / "vectors.db",
            report=report,
            should_stop=lambda: self._stopping.is_set() or should_stop(),
        )


def _unready_info(stored: StoredCampaign, work: _Work) -> CampaignInfo:
    spec = stored.spec
    return CampaignInfo(
        name=stored.name,
        state="failed" if stored.state == "failed" else "preparing",
        progress=work.share,
        message=work.message if stored.state == "preparing" else None,
        error=stored.error,
        task=spec.task,
        classes=spec.classes,
        n_samples=0,
        n_labeled=0,
        n_pending=0,
        n_skipped=0,
        n_answers=0,
        budget=spec.budget,
        overlap=spec.overlap,
        lease_s=spec.lease_s,
        strategy=spec.strategy,
        random_share=spec.random_share,
        classifier=spec.classifier,
        embedder=spec.embedder,
        n_features=None,
        holdout_accuracy=None,
        random_accuracy=None,
        failures=stored.failures[:100],
        n_failures=len(stored.failures),
        created_at=stored.created_at,
    )
