from pathlib import Path

from al_server.models import Source


def source(kind: str, path: Path | str, **more: object) -> Source:
    return Source.model_validate({"kind": kind, "path": str(path), **more})
