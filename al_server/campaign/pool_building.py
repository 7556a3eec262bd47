"""The arrays of a campaign, from what the log has come to and the files of its vectors."""

from al_server.campaign.classifier import VoteSettings
from al_server.campaign.ledger import Ledger
from al_server.campaign.names import Names, tie_keys
from al_server.campaign.neighbors import pool_neighbors
from al_server.campaign.pool_files import PoolFiles
from al_server.campaign.pool_state import PoolState
from al_server.store.catalog import StoredCampaign
from strategies.mass import reads_uncertainty_mass
from strategies.pool import Strategy

SMOOTHING = 0.1
"""Weight of the uniform prior in a vote, where a neighbour at distance 0 weighs 1."""


def build_pool(
    stored: StoredCampaign, *, names: Names, ledger: Ledger, files: PoolFiles, strategy: Strategy
) -> PoolState:
    """Build the arrays; neighbours that are lost are looked for again."""
    assert stored.prepared is not None
    spec = stored.spec
    embeddings = files.embeddings(len(names.sample_ids), stored.prepared.n_features)
    keys = tie_keys(names.sample_ids)
    neighbors = files.load_neighbors(len(embeddings))
    if neighbors is None:
        neighbors = pool_neighbors(embeddings, keys)
        files.save_neighbors(neighbors)
    pool = PoolState(
        embeddings,
        keys,
        neighbors,
        n_classes=len(names.classes),
        multi=spec.task == "multi",
        votes=VoteSettings(spec.k, stored.prepared.vote_width, SMOOTHING),
        holdout=files.load_holdout() if spec.holdout is not None else None,
        classifier=spec.classifier,
        keeps_mass=reads_uncertainty_mass(strategy),
    )
    pool.restore(
        ((row, *ledger.standing(row)) for row in ledger.answered_rows()),
        known=((row, *ledger.standing(row)) for row in ledger.known_rows()),
    )
    if ledger.predictions_file is not None:
        pool.set_own_predictions(files.load_predictions(ledger.predictions_file))
    return pool
