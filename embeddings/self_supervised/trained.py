"""A trained network in a folder: weights, what they are shown, and how the vectors are reduced."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from embeddings.errors import EmbedderUnavailable
from embeddings.reduction import Reduction, load_reduction
from embeddings.self_supervised.backbone import Backbone, rebuild
from embeddings.self_supervised.encoder import METHODS, make_encoder

RECORD = "ssl.json"
CHECKPOINT = "checkpoint.pt"
WEIGHTS = "weights.safetensors"
REDUCTION = "reduction.npz"
_FORMAT = 1


class Trained(NamedTuple):
    """What a training left behind.

    Attributes
    ----------
    encoder : torch.nn.Module, of `make_encoder`
    preprocessing : timm's data configuration
    reduction : Reduction, or None
    record : dict, all that ssl.json says
    """

    encoder: Any
    preprocessing: dict[str, Any]
    reduction: Reduction | None
    record: dict[str, Any]


def write_trained(folder: Path, trained: Trained) -> None:
    """Write a trained network; the record comes last: a folder that has one is complete."""
    from safetensors.torch import save

    weights = {
        key: value.detach().cpu().contiguous()
        for key, value in trained.encoder.state_dict().items()
    }
    unfinished = folder / f".{WEIGHTS}.{os.getpid()}"
    unfinished.write_bytes(save(weights))
    unfinished.replace(folder / WEIGHTS)
    if trained.reduction is not None:
        trained.reduction.save(folder / REDUCTION)
    record = {
        "format": _FORMAT,
        **trained.record,
        "preprocessing": trained.preprocessing,
        "reduced": trained.reduction is not None,
    }
    unfinished = folder / f".{RECORD}.{os.getpid()}"
    unfinished.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    unfinished.replace(folder / RECORD)


def read_trained(folder: Path) -> Trained:
    """Read what `write_trained` wrote.

    Raises
    ------
    EmbedderUnavailable
        If there is no trained network in the folder, or it is damaged.
    """
    record = _read_record(folder)
    try:
        preprocessing, is_reduced = record["preprocessing"], record["reduced"]
        encoder = make_encoder(record["method"], lambda: rebuild(record["backbone"]), preprocessing)
    except (KeyError, TypeError) as error:
        raise EmbedderUnavailable(
            f"{folder / RECORD} is damaged: {error}", "restore the folder from a copy"
        ) from error
    _load_weights(encoder, folder / WEIGHTS)
    reduction = load_reduction(folder / REDUCTION) if is_reduced else None
    return Trained(encoder, preprocessing, reduction, record)


def start_from(folder: Path) -> Backbone:
    """Return the network in a folder as the start of another training, which sees images alike.

    Raises
    ------
    EmbedderUnavailable
        If there is none, it is damaged, or it is of two networks.
    """
    trained = read_trained(folder)
    network = getattr(trained.encoder, "network", None)
    if network is None:
        raise EmbedderUnavailable(
            f"{folder} holds the two networks of cmc, and a training starts from one",
            "start from a network of barlow_twins, or from random weights",
        )
    return Backbone(network, trained.preprocessing, trained.record["backbone"])


def _read_record(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
        known = record["format"] == _FORMAT and record["method"] in METHODS
    except FileNotFoundError as error:
        if (folder / CHECKPOINT).exists():
            raise EmbedderUnavailable(
                f"the training in {folder} is not over yet",
                "the same `al-server ssl train` command goes on from where it was stopped",
            ) from error
        raise EmbedderUnavailable(
            f"{folder} holds no trained network: there is no {RECORD} in it",
            "train one with: al-server ssl train IMAGES --out FOLDER",
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EmbedderUnavailable(
            f"{folder / RECORD} is damaged: {error}", "restore the folder from a copy"
        ) from error
    if not known:
        raise EmbedderUnavailable(
            f"{folder} was written by another version of al-server", "train anew with this one"
        )
    return dict(record)


def _load_weights(encoder: Any, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        encoder.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise EmbedderUnavailable(
            f"{path} is lost, damaged, or of another network: {str(error).splitlines()[0]}",
            "restore the folder from a copy",
        ) from error
