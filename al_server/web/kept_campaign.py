"""The command that makes a campaign of the samples that another one's curation keeps."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from al_server.errors import ALError
from al_server.models import CampaignSpec, Source
from al_server.sources.paths import resolve

_LONGEST_NAME = 64
_MOST_CLASSES = 12
_SAID_ELSEWHERE = {"kind", "path", "labels", "only"}


def kept_command(spec: CampaignSpec, classes: Sequence[str], roots: Sequence[Path]) -> str:
    """Return a command line, quoted for a shell.

    Parameters
    ----------
    spec : of the campaign that was curated
    classes : those it has by now
    roots : relative paths count from the first of them that has it
    """
    words = ["al-server", "campaign", "create", f"{spec.name[: _LONGEST_NAME - 5]}-kept"]
    words += [_absolute(spec.source.path, roots), "--only", f"{spec.name}-kept.txt"]
    words += _source_options(spec.source)
    if len(classes) > _MOST_CLASSES or any("," in one or one != one.strip() for one in classes):
        words += ["--classes-file", "classes.txt"]
    else:
        words += ["--classes", ",".join(classes)]
    for name in ("embedder", "checkpoint"):
        if (value := getattr(spec, name)) is not None:
            words += [f"--{name}", value]
    if spec.task != "single":
        words += ["--task", spec.task]
    return shlex.join(words)


def _absolute(path: str, roots: Sequence[Path]) -> str:
    """Make a path one that means the same from any folder."""
    if Path(path).is_absolute():
        return path
    try:
        return str(resolve(path, roots))
    except ALError:  # it is gone
        return path


def _source_options(source: Source) -> list[str]:
    words = ["--kind", source.kind] if source.kind == "videos" else []
    for name, value in source.model_dump(exclude_defaults=True, exclude=_SAID_ELSEWHERE).items():
        option = f"--{name.replace('_', '-')}"
        words += [option] if value is True else [option, str(value)]
    return [*words, "--labels"] if source.labels else words
