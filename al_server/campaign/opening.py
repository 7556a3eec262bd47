"""From the store to a running campaign: fold the log, then build the arrays from it."""

from collections.abc import Callable
from concurrent.futures import Future

from sqlalchemy import Engine

from al_server.campaign.campaign import Campaign
from al_server.campaign.describe import Describer
from al_server.campaign.ledger import Ledger
from al_server.campaign.loop import Loop
from al_server.campaign.names import Names
from al_server.campaign.pool_building import build_pool
from al_server.campaign.pool_files import PoolFiles
from al_server.campaign.strategy import make_strategy
from al_server.models import Source
from al_server.store.catalog import Catalog, StoredCampaign
from al_server.store.event_log import EventLog


def open_loop(stored: StoredCampaign, *, engine: Engine, files: PoolFiles) -> Loop:
    """Rebuild the state of a campaign from its log and its files."""
    assert stored.prepared is not None
    spec = stored.spec
    log = EventLog(engine, stored.id)
    ledger = Ledger(overlap=spec.overlap)
    names = Names(spec.name, multi=spec.task == "multi")
    for event in log.read():
        ledger.apply(event)
    names.add_classes(ledger.classes)
    names.add_samples(Catalog(engine).sample_ids(stored.id))
    strategy = make_strategy(spec.strategy)
    pool = build_pool(stored, names=names, ledger=ledger, files=files, strategy=strategy)
    return Loop(spec, log=log, names=names, ledger=ledger, pool=pool, strategy=strategy)


def open_campaign(
    stored: StoredCampaign,
    *,
    engine: Engine,
    files: PoolFiles,
    take_in: Callable[[Campaign, Source], "Future[None]"],
) -> Campaign:
    """Open a campaign that is ready; `take_in` adds samples to it in the background."""
    assert stored.prepared is not None
    loop = open_loop(stored, engine=engine, files=files)
    describer = Describer(
        campaign=stored.name,
        campaign_id=stored.id,
        kind=stored.prepared.kind,
        catalog=Catalog(engine),
        names=loop.names,
        ledger=loop.ledger,
        pool=loop.pool,
    )
    return Campaign(stored, loop=loop, files=files, describer=describer, take_in=take_in)
