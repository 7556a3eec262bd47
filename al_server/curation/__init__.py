"""Dataset curation: which samples to keep, why each of the others goes, and pictures of both."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from al_server.curation.pipeline import Pipeline as Pipeline

__all__ = ["Pipeline"]


def __getattr__(name: str) -> Any:
    """Import `Pipeline` when it is asked for: it brings numba along."""
    if name != "Pipeline":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from al_server.curation.pipeline import Pipeline

    return Pipeline
