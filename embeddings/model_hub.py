"""The hub that trained weights come from: whether it answers, and what it gave before."""

import socket
import urllib.request
from urllib.parse import urlsplit

_CONNECT_S = 5.0


def hub_answers() -> bool:
    """Try a connection: the hub's own client takes most of a minute to give up.

    False at once where ``HF_HUB_OFFLINE`` is set.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    if urllib.request.getproxies():
        return True  # only the proxy knows
    url = urlsplit(constants.ENDPOINT)
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        with socket.create_connection((url.hostname or "", port), timeout=_CONNECT_S):
            return True
    except OSError:
        return False


def downloaded_weights(repository: str) -> str | None:
    """Return the file of weights that an earlier download left on this machine."""
    import huggingface_hub

    for filename in ("model.safetensors", "pytorch_model.bin"):
        path = huggingface_hub.try_to_load_from_cache(repository, filename)
        if isinstance(path, str):
            return path
    return None
