"""The real server on a free port of this machine, with small campaigns of real digits."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from al_server.answers import CampaignInfo
from al_server.app import create_app
from al_server.campaign.campaign import Campaign
from al_server.campaigns import CampaignRegistry
from al_server.config import Settings
from al_server.http_server import open_server
from al_server.models import AnswerIn, CampaignSpec, Source

DIGITS = [str(digit) for digit in range(10)]
N_DIGITS = 48
PATIENCE_S = 120.0


@dataclass
class Served:
    """A running server, its registry, and a way to make campaigns."""

    url: str
    registry: CampaignRegistry
    folder: Path
    numbers: Iterator[int] = field(default_factory=count)

    def make(
        self,
        *,
        classes: Sequence[str] = DIGITS,
        source: Source | None = None,
        n_answers: int = 0,
        name: str | None = None,
        **settings: object,
    ) -> Campaign:
        """A campaign that is ready, on digits unless told otherwise, some already answered."""
        name = name or f"campaign-{next(self.numbers)}"
        spec = {"name": name, "classes": classes, "source": source or digits(self.folder)}
        self.registry.create(CampaignSpec.model_validate({**spec, **settings}))
        self.wait(name)
        campaign = self.registry.campaign(name)
        for _ in range(n_answers):
            (sample,) = campaign.next_batch(annotator="Grace").samples
            label = truth(sample.sample_id)
            answer = AnswerIn(sample_id=sample.sample_id, label=label, annotator="Grace")
            campaign.record_labels([answer])
        return campaign

    def wait(self, name: str) -> CampaignInfo:
        """Wait until a campaign is ready."""
        deadline = time.monotonic() + PATIENCE_S
        while (info := self.registry.info(name)).state == "preparing":
            assert time.monotonic() < deadline, info.message
            time.sleep(0.02)
        assert info.state == "ready", info.error
        return info


@contextmanager
def serving(folder: Path, *, token: str | None = None) -> Iterator[Served]:
    """Serve a data folder from a thread of this process."""
    settings = Settings(data=folder, port=0, token=token)
    with closing(CampaignRegistry(settings)) as registry:
        server = open_server(create_app(settings, registry), settings)
        thread = threading.Thread(target=server.run, name="server", daemon=True)
        thread.start()
        yield Served(f"http://127.0.0.1:{server.effective_port}", registry, folder)
        server.close()
        thread.join(5)


def digits(folder: Path, *, n: int = N_DIGITS, offset: int = 0) -> Source:
    """Digits of scikit-learn as PNG files, named by their number."""
    place = folder / f"digits-{offset}-{n}"
    if not place.exists():
        place.mkdir(parents=True)
        for number, gray in enumerate(known_digits().images[offset : offset + n], start=offset):
            pixels = (255 - gray * (255 / 16)).round().astype(np.uint8)
            Image.fromarray(pixels.repeat(4, axis=0).repeat(4, axis=1)).save(
                place / f"{number:04d}.png"
            )
    return Source(kind="images", path=str(place))


def labeled_digits(folder: Path, *, n: int, offset: int) -> Path:
    """Digits in one folder a class, as a holdout wants them."""
    place = folder / f"holdout-{offset}-{n}"
    for file in Path(digits(folder, n=n, offset=offset).path).iterdir():
        inside = place / truth(file.name)
        inside.mkdir(parents=True, exist_ok=True)
        (inside / file.name).write_bytes(file.read_bytes())
    return place


def truth(sample_id: str) -> str:
    """The digit on an image that `digits` wrote."""
    return str(known_digits().target[int(sample_id.removesuffix(".png"))])


@cache
def known_digits() -> Any:
    """The digits and what they are."""
    return load_digits()


def texts(folder: Path, lines: Sequence[str]) -> Source:
    """A table of texts."""
    file = folder / f"texts-{len(lines)}.csv"
    quoted = ('"' + line.replace('"', '""') + '"' for line in lines)
    file.write_text("text\n" + "\n".join(quoted) + "\n", encoding="utf-8")
    return Source(kind="table", path=str(file), column="text", content="text")


def vectors(folder: Path, *, n: int = 12) -> Source:
    """Bare vectors."""
    file = folder / "vectors.npy"
    np.save(file, np.random.default_rng(0).standard_normal((n, 4), dtype=np.float32))
    return Source(kind="npy", path=str(file))


def answers(campaign: Campaign) -> dict[tuple[str, str], object]:
    """The standing answers of the store, by sample and annotator."""
    return {(row.sample_id, row.annotator): row.label for row in campaign.answer_rows()}
