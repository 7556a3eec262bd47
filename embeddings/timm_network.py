"""A timm network with its trained weights."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

from embeddings.errors import EmbedderUnavailable
from embeddings.timm_options import TimmOptions
from embeddings.timm_weights import (
    check_model_name,
    check_trained,
    download_model,
    fit_checkpoint,
    has_folded_batch_norms,
    read_checkpoint,
)

log = logging.getLogger(__name__)

_FOLDED_BUILD = {"pad_type": "same"}
_FOLDED_PREPROCESSING = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


class TimmNetwork(NamedTuple):
    """A network with its weights, and the options that hold for these."""

    model: Any
    options: TimmOptions


def build_timm(options: TimmOptions, checkpoint: Path | None) -> TimmNetwork:
    """Build a network without its classifier, with weights from a file or from the model hub.

    A checkpoint in which every batch norm is the identity was converted from TensorFlow, where the
    batch norms of a network to be deployed are folded into its convolutions. Such networks were
    trained with TensorFlow's padding and pixel range, so ``pad_type=same``, ``mean=0.5`` and
    ``std=0.5`` hold for them unless `options` say otherwise.

    Raises
    ------
    EmbedderUnavailable
        If timm knows no such network, there are no trained weights, or they do not fit.
    """
    check_model_name(options.model)
    if checkpoint is None:
        return TimmNetwork(download_model(options.model, options.build), options)
    weights = read_checkpoint(checkpoint)
    check_trained(weights, source=f"the weights in {checkpoint.name}")
    asked = options
    if has_folded_batch_norms(weights):
        options = TimmOptions(
            options.model,
            {**_FOLDED_BUILD, **options.build},
            {**_FOLDED_PREPROCESSING, **options.preprocessing},
        )
        log.info("%s was converted from TensorFlow (its batch norms are folded): using %s, %s",
                 checkpoint.name, options.build, options.preprocessing)  # fmt: skip
    try:
        model = untrained_timm(options)
    except EmbedderUnavailable:
        if options.build != asked.build:  # nobody asked for what was guessed from the weights
            fit_checkpoint(untrained_timm(asked), weights, source=checkpoint.name)
        raise
    fit_checkpoint(model, weights, source=checkpoint.name)
    return TimmNetwork(model, options)


def untrained_timm(options: TimmOptions) -> Any:
    """Build a network with random weights, to load others into it or to look at its layers."""
    import timm

    try:
        return timm.create_model(options.model, pretrained=False, num_classes=0, **options.build)
    except TypeError as error:
        raise EmbedderUnavailable(
            f"timm:{options.model} cannot be built with {options.build}",
            "choose the network by the name it was trained under",
        ) from error
