"""Trained weights for a timm network, or a reason and a remedy; never a random network."""

import difflib
from pathlib import Path
from typing import Any

from embeddings.errors import EmbedderUnavailable
from embeddings.model_hub import downloaded_weights, hub_answers

StateDict = dict[str, Any]

_ELSEWHERE = (
    "give local weights with --checkpoint FILE, or use the embedder `pixels` (images) or "
    "`tfidf` (texts), which need no weights"
)
_FOLDED_TOLERANCE = 2e-3  # 1 minus the epsilon of the batch norm, which is 1e-3 or 1e-5


def check_model_name(model: str) -> None:
    """Raise `EmbedderUnavailable`, naming the nearest, where timm knows no such network."""
    import timm

    if not timm.is_model(model):
        near = difflib.get_close_matches(model, timm.list_models(), n=3)
        raise EmbedderUnavailable(
            f"timm knows no network {model!r}",
            f"did you mean {' or '.join(near)}?" if near else "list them with timm.list_models()",
        )


def read_checkpoint(path: Path) -> StateDict:
    """Read a .pth or .safetensors file; nothing in it is executed."""
    from timm.models import load_state_dict

    if not path.is_file():
        raise EmbedderUnavailable(f"there is no checkpoint at {path}", "check the path")
    try:
        weights: StateDict = load_state_dict(str(path), device="cpu", weights_only=True)
    except Exception as error:  # the readers raise anything on foreign bytes
        raise EmbedderUnavailable(
            f"{path.name} cannot be read as weights: {str(error).splitlines()[0]}",
            "give a file of torch.save(model.state_dict(), FILE), or a .safetensors file",
        ) from error
    if not all(hasattr(value, "shape") for value in weights.values()):
        raise EmbedderUnavailable(
            f"{path.name} holds more than weights", "save model.state_dict() alone"
        )
    return weights


def check_trained(weights: StateDict, *, source: str) -> None:
    """Raise `EmbedderUnavailable` where the batch norms have not seen a step of training.

    Parameters
    ----------
    weights : state dict; one without batch norms is let through
    source : str
        What they are, as the message begins: ``the weights in FILE``.
    """
    norms = _batch_norms(weights)
    touched = (weights[f"{norm}.{part}"] for norm in norms for part in ("bias", "running_mean"))
    if norms and not any(bool((values != 0).any()) for values in touched):
        raise EmbedderUnavailable(
            f"{source} were never trained", "give the file of a trained network"
        )


def has_folded_batch_norms(weights: StateDict) -> bool:
    """Say whether the batch norms only add a bias: the rest was folded into the convolutions.

    True if there are batch norms, and each has weight 1, mean 0 and a constant variance of about 1.
    Training never leaves that behind.
    """
    norms = _batch_norms(weights)
    return bool(norms) and all(
        bool((weights[f"{norm}.weight"] == 1).all())
        and bool((weights[f"{norm}.running_mean"] == 0).all())
        and bool(((weights[f"{norm}.running_var"] - 1).abs() < _FOLDED_TOLERANCE).all())
        for norm in norms
    )


def _batch_norms(weights: StateDict) -> list[str]:
    """Return the names of the batch norms that have a weight and a bias."""
    norms = (key.removesuffix(".running_var") for key in weights if key.endswith(".running_var"))
    parts = ("weight", "bias", "running_mean")
    return [norm for norm in norms if all(f"{norm}.{part}" in weights for part in parts)]


def fit_checkpoint(model: Any, weights: StateDict, *, source: str) -> None:
    """Load weights into a network; every key must fit.

    A timm network was built without its classifier: the classifier's keys are left out.

    Raises
    ------
    EmbedderUnavailable
        Naming the keys that are missing, left over, or of another shape.
    """
    config = getattr(model, "pretrained_cfg", None) or {}
    classifiers = config.get("classifier") or ()
    classifiers = (classifiers,) if isinstance(classifiers, str) else classifiers
    wanted = model.state_dict()
    given = {
        key: value
        for key, value in weights.items()
        if key in wanted or not key.startswith(tuple(f"{name}." for name in classifiers))
    }
    problems = {
        "missing": wanted.keys() - given.keys(),
        "unexpected": given.keys() - wanted.keys(),
        "of another shape": {
            key for key in wanted.keys() & given.keys() if wanted[key].shape != given[key].shape
        },
    }
    # networks saved by an old torch count no batches; the count is not used in evaluation
    problems["missing"] = {k for k in problems["missing"] if not k.endswith("num_batches_tracked")}
    if any(problems.values()):
        told = "; ".join(f"{what}: {_some(keys)}" for what, keys in problems.items() if keys)
        raise EmbedderUnavailable(
            f"{source} does not fit {config.get('architecture') or 'this network'}: {told}",
            "name the network that these weights were made for",
        )
    model.load_state_dict(given, strict=False)


def download_model(name: str, build: dict[str, Any]) -> Any:
    """Create a network with the weights of the model hub, or those downloaded before.

    The hub is given a few seconds to answer; the download itself may take its time.
    """
    import timm

    config = timm.models.get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        raise EmbedderUnavailable(f"timm has no trained weights for {name}", _ELSEWHERE)
    downloaded = downloaded_weights(config.hf_hub_id) if config.hf_hub_id else None
    if downloaded is not None:
        build = {**build, "pretrained_cfg_overlay": {"file": downloaded}}
    elif not hub_answers():
        raise EmbedderUnavailable(
            f"the model hub cannot be reached for the weights of {name}", _ELSEWHERE
        )
    try:
        return timm.create_model(name, pretrained=True, num_classes=0, **build)
    except Exception as error:  # the hub's client raises dozens of types
        raise EmbedderUnavailable(
            f"the weights of {name} could not be had: {str(error).splitlines()[0]}", _ELSEWHERE
        ) from error


def _some(keys: set[str]) -> str:
    first = ", ".join(sorted(keys)[:4])
    return first if len(keys) <= 4 else f"{first} and {len(keys) - 4} more"
