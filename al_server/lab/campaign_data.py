"""What a campaign has labeled so far, as data to replay strategies on."""

from collections import Counter
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from al_server.errors import BadInput, UnknownCampaign
from al_server.lab.data import LabeledData, from_listing
from al_server.sources.listing import KnownLabel, Listing

DATABASE = "al.db"
N_NAMED = 10  # classes in a sentence
CAUTION = (
    "These are the labels of a campaign, most of them asked for by its strategy: pool and holdout "
    "are both of the kind that it asks for, and what holds here may not hold for the whole pool."
)


def read_campaign(folder: Path, name: str, *, fewest_of_class: int = 1) -> LabeledData:
    """Read the labeled samples of a campaign, from the data folder of its server.

    The server may be running: labels that came before this call are taken.

    Parameters
    ----------
    fewest_of_class : samples of classes with fewer are left out, and the caution says which

    Raises
    ------
    UnknownCampaign
        If the folder holds no campaign of that name.
    BadInput, BadSource
        If it has no single labels, or too few.
    """
    from al_server.campaign.ledger import Ledger
    from al_server.campaign.pool_files import files_of
    from al_server.store.catalog import Catalog
    from al_server.store.database import open_database, sqlite_url
    from al_server.store.event_log import EventLog

    if not (folder / DATABASE).is_file():
        raise UnknownCampaign(
            f"{folder} is no data folder of a server: there is no {DATABASE} in it",
            "name the folder with --data, or an .npz file",
        )
    engine = open_database(sqlite_url(folder / DATABASE))
    try:
        catalog = Catalog(engine)
        stored = {one.name: one for one in catalog.all()}
        if name not in stored:
            near = get_close_matches(name, stored, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            known = ", ".join(map(repr, stored)) or "none yet"
            raise UnknownCampaign(f"{folder} holds no campaign {name!r}", f"{hint}known: {known}")
        campaign = stored[name]
        if campaign.prepared is None:
            raise BadInput(f"campaign {name!r} is not prepared yet", "wait until it is ready")
        if campaign.spec.task == "multi":
            raise BadInput(
                f"campaign {name!r} gives a sample several labels",
                "comparisons need one label a sample",
            )
        ledger = Ledger(overlap=campaign.spec.overlap)
        for event in EventLog(engine, campaign.id).read():
            ledger.apply(event)
        sample_ids = catalog.sample_ids(campaign.id)
    finally:
        engine.dispose()
    files = files_of(folder, campaign)
    vectors = files.embeddings(len(sample_ids), campaign.prepared.n_features)
    rows = sorted({*ledger.known_rows(), *ledger.answered_rows()})
    labels: list[KnownLabel] = []
    for row in rows:
        label = ledger.standing(row).label
        labels.append(ledger.classes[label] if isinstance(label, int) else None)
    counts = Counter(label for label in labels if isinstance(label, str))
    rare = [one for one, n in counts.items() if n < fewest_of_class]
    labels = [None if label in rare else label for label in labels]
    listing = Listing(
        "vector",
        [sample_ids[row] for row in rows],
        vectors=vectors[rows],  # a copy: the pool itself is read-only
        labels=labels,
        classes=list(ledger.classes),
    )
    caution = CAUTION
    if rare:
        named = ", ".join(rare[:N_NAMED]) + (", ..." if len(rare) > N_NAMED else "")
        caution += f" Left out, for fewer than {fewest_of_class} labels of a class: {named}."
    found = from_listing(name, listing)
    spec = campaign.spec
    return replace(found, caution=caution, classifier=spec.classifier, k=spec.k)
