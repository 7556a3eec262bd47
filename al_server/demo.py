"""The demonstration: real handwritten digits, ready to label, with no download."""

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from al_server.config import Settings
from al_server.models import CampaignSpec

if TYPE_CHECKING:
    from al_server.campaigns import CampaignRegistry

log = logging.getLogger(__name__)

NAME: Final = "digits"
BUDGET: Final = 200
N_HOLDOUT: Final = 300
SCALE: Final = 8  # 8 x 8 pixels are too small for a person
SEED: Final = 0


def with_root(settings: Settings) -> Settings:
    """Let the demonstration be read wherever else sources may lie, if it is wanted or was made."""
    folder = _folder(settings.data)
    if not (settings.demo or folder.is_dir()) or any(
        folder.is_relative_to(root) for root in settings.roots
    ):
        return settings
    return settings.model_copy(update={"roots": (*settings.roots, folder)})


def make(registry: "CampaignRegistry", data: Path) -> bool:
    """Make the campaign of digits where there is no campaign at all yet; say whether it is there.

    The images to label lie in one folder, their names say nothing of the digit; `N_HOLDOUT` others
    lie in a folder a class, for the curve on the progress page.
    """
    if names := registry.names():
        return NAME in names
    folder = _folder(data)
    write_digits(folder)
    log.info("demonstration: %s", folder)
    registry.create(
        CampaignSpec.model_validate(
            {
                "name": NAME,
                "classes": [str(digit) for digit in range(10)],
                "source": {"kind": "images", "path": str(folder / "pool")},
                "embedder": "pixels",
                "budget": BUDGET,
                "holdout": str(folder / "holdout"),
            }
        )
    )
    return True


def write_digits(folder: Path) -> None:
    """Write the 1,797 digits that scikit-learn carries as PNG files, if they are not there yet.

    Source: E. Alpaydin and C. Kaynak 1998, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, doi:10.24432/C50P49; the test part.
    """
    if folder.is_dir():
        return
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    # ink is 0 to 16 in the data; black on white is what people know from paper
    gray = (255 - digits.images * (255 / 16)).round().astype(np.uint8)
    large = gray.repeat(SCALE, axis=1).repeat(SCALE, axis=2)
    # the files of the data set come sorted in runs of 0 to 9: numbered anew, names tell nothing
    order = np.random.default_rng(SEED).permutation(len(large)).tolist()
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    for number, position in enumerate(order):
        held_out = number < N_HOLDOUT
        place = aside / (f"holdout/{digits.target[position]}" if held_out else "pool")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(large[position]).save(place / f"{number:04d}.png")
    aside.rename(folder)  # all or nothing, should the first start be killed


def _folder(data: Path) -> Path:
    return data / "demo" / NAME
