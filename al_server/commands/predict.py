"""`al-server predict`: what a campaign's classifier believes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from al_server.answers import Predicted, PredictOut
from al_server.commands.connection import Connection, campaign_path, url_option
from al_server.commands.output import as_json_option, examples, print_json
from al_server.sources.arrays import read_npy, read_npz

MAX_SAMPLES = 10_000
MAX_NUMBERS = 500_000  # about 10 MB of JSON


@click.command(
    epilog=examples(
        "al-server predict fruits apples/1.jpg apples/2.jpg",
        "al-server predict fruits --embeddings new.npz --json",
    )
)
@click.argument("name")
@click.argument("sample_ids", nargs=-1)
@click.option(
    "--embeddings",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help=".npz or .npy of vectors from the campaign's embedder, for samples outside its pool.",
)
@url_option
@as_json_option
def predict(
    name: str, sample_ids: tuple[str, ...], embeddings: Path | None, url: str, as_json: bool
) -> None:
    """Predict samples of the campaign NAME, or vectors from a file.

    Prints the sample's id, the label and its probability, separated by tabs.
    """
    if bool(sample_ids) == (embeddings is not None):
        raise click.UsageError("name SAMPLE_IDS of the campaign, or vectors with --embeddings")
    bodies = _of_file(embeddings) if embeddings is not None else _of_pool(list(sample_ids))
    predictions: list[Predicted] = []
    with Connection(url) as server:
        for ids, body in bodies:
            answer = server.post(campaign_path(name, "predict"), body)
            for sample_id, one in zip(
                ids, PredictOut.model_validate(answer).predictions, strict=True
            ):
                predictions.append(one.model_copy(update={"sample_id": sample_id}))
    if as_json:
        print_json(PredictOut(predictions=predictions))
        return
    for one in predictions:
        label = one.label if isinstance(one.label, str) else "|".join(one.label)
        probability = max(one.probabilities.values(), default=0.0)
        click.echo(f"{one.sample_id}\t{label}\t{probability:.3f}")


def _of_pool(sample_ids: list[str]) -> Iterator[tuple[list[str], dict[str, Any]]]:
    for start in range(0, len(sample_ids), MAX_SAMPLES):
        ids = sample_ids[start : start + MAX_SAMPLES]
        yield ids, {"sample_ids": ids}


def _of_file(file: Path) -> Iterator[tuple[list[str], dict[str, Any]]]:
    is_archive = file.suffix.lower() == ".npz"
    listing = read_npz(file, labels=False, multi=False) if is_archive else read_npy(file)
    assert listing.vectors is not None  # both readers give vectors
    n_rows = max(1, min(MAX_SAMPLES, MAX_NUMBERS // listing.vectors.shape[1]))
    for start in range(0, len(listing.sample_ids), n_rows):
        rows = slice(start, start + n_rows)
        yield listing.sample_ids[rows], {"embeddings": listing.vectors[rows].tolist()}
