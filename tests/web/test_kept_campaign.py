"""The command that makes a campaign of what a curation keeps: a shell and the command read it."""

import shlex
from pathlib import Path

from al_server.commands.create import create
from al_server.models import CampaignSpec, Source
from al_server.web.kept_campaign import kept_command


def _read(command: str) -> dict[str, object]:
    words = shlex.split(command)
    assert words[:3] == ["al-server", "campaign", "create"]
    return create.make_context("create", words[3:]).params


def test_what_it_says_is_what_the_command_understands(tmp_path: Path) -> None:
    (tmp_path / "my photos").mkdir()
    source = Source(
        kind="objects", path="my photos", boxes="voc", margin=0.2, labels=True, only="old.txt"
    )
    spec = CampaignSpec(
        name="fruits", classes=["a"], source=source, embedder="timm:x", task="multi"
    )
    read = _read(kept_command(spec, ["it's", "$(b)"], [tmp_path]))
    assert (read["name"], read["only"]) == ("fruits-kept", Path("fruits-kept.txt"))
    assert (read["source"], read["classes"]) == (tmp_path / "my photos", "it's,$(b)")
    assert (read["boxes"], read["margin"], read["labels"]) == ("voc", 0.2, True)
    assert (read["embedder"], read["task"]) == ("timm:x", "multi")


def test_names_that_are_too_long_or_too_many_still_fit(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("a")
    spec = CampaignSpec(name="n" * 64, classes=["a"], source=Source(kind="npz", path="gone.npz"))
    command = kept_command(spec, ["a, or b"], [tmp_path])
    assert "--classes-file classes.txt" in command and "gone.npz" in command
    name = shlex.split(command)[3]
    assert len(name) == 64 and CampaignSpec(name=name, classes=["a"], source=spec.source)
