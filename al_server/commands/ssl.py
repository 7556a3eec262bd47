"""`al-server ssl`: networks that learn from a person's own images, without labels."""

import math
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from al_server.commands.output import (
    as_json_option,
    bar,
    examples,
    follow,
    print_failures,
    print_json,
)
from al_server.errors import BadInput
from al_server.sources.images import read_images
from al_server.sources.listing import Listing

if TYPE_CHECKING:
    from tqdm import tqdm

    from embeddings.self_supervised.backbone import Backbone
    from embeddings.self_supervised.settings import Settings
    from embeddings.self_supervised.train import Report
    from embeddings.self_supervised.training import Training

_PARTS, _UNIT = 100, "%"  # of the progress bar
_MOST_MINUTES = 1_000_000  # two years


class _Number(click.FloatRange):
    """A number in a range: NaN, which is neither below nor above, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it, or say what it is not."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is no number.", param, ctx)
        return number


@click.group(epilog=examples("al-server ssl train photos/ --out network"))
def ssl() -> None:
    """Train a network on your own images, without labels (self-supervision)."""


@ssl.command(
    epilog=examples(
        "al-server ssl train icons/ --out icons-network --minutes 60",
        "al-server ssl train photos/ --out photos-network --backbone mobilenetv2_100 \\",
        "    --from mobilenet.pth --epochs 2",
        "al-server embed photos/ --embedder ssl:photos-network --out photos.npz",
    )
)
@click.argument("images", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="Folder for the network; a run that was cut off goes on there.",
)  # fmt: skip
@click.option(
    "--method", type=click.Choice(["barlow_twins", "cmc"]), default="barlow_twins",
    show_default=True,
    help="barlow_twins: two random views of an image agree, feature by feature; cmc: the luminance "
    "of a view and the chroma of another find each other.",
)  # fmt: skip
@click.option(
    "--backbone",
    help="`small`, `small:WIDTH`, or a network of timm. [small; with --from FOLDER its own]",
)
@click.option(
    "--from", "start",
    help="Weights to start from: a file, `hub`, or a FOLDER of this command. [none: random]",
)  # fmt: skip
@click.option("--epochs", type=click.IntRange(1), help="Passes over the images.")
@click.option(
    "--minutes", type=_Number(0, _MOST_MINUTES, min_open=True),
    help="Time for the training; with --epochs, what comes first. [60 without --epochs]",
)  # fmt: skip
@click.option(
    "--image-size", type=click.IntRange(16, 2048),
    help="Pixels a side that the network sees. [the network's own; small: 32]",
)  # fmt: skip
@click.option(
    "--view-size", type=click.IntRange(16, 2048),
    help="Pixels a side that it is trained on. [chosen by the image size]",
)  # fmt: skip
@click.option("--batch-size", type=click.IntRange(2), help="Images a step. [256; with --from 64]")
@click.option(
    "--learning-rate", type=_Number(0, 1, min_open=True),
    help="The highest. [0.003; with --from 0.00003]",
)  # fmt: skip
@click.option(
    "--reduce",
    help="Reduction of the vectors, as `pca_whiten:64`, or `none`. "
    "[pca_whiten:128; with --from none]",
)
@click.option(
    "--stop-at", type=_Number(0, 1, min_open=True), default=0.99, show_default=True,
    help="Share of neighbours that stay the same at which the training is over.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the draws.")
@as_json_option
def train(
    images: Path,
    out: Path,
    backbone: str | None,
    start: str | None,
    image_size: int | None,
    view_size: int | None,
    reduce: str | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Train a network on the images in folder IMAGES, without labels.

    `ssl:DIR` is then an embedder. Ctrl-C saves; the same command goes on where a run was cut off.
    The names of folders and files play no part.

    The bar shows the share of --minutes or --epochs that is over; epoch, passes over the images;
    loss, which is to fall, and compares with nothing but itself; rank, directions that the features
    make use of: below two the training has collapsed, and ends; kept, share of the ten nearest
    neighbours that stayed since the last look: see --stop-at.
    """
    # imported late: numpy and what builds on it take a second
    from embeddings.errors import EmbeddingError
    from embeddings.reduction import check_installed, parse_reduction
    from embeddings.self_supervised.train import check_unfinished
    from embeddings.self_supervised.train import train as train_network

    reduce = reduce or ("pca_whiten:128" if start is None else "none")
    try:
        check_installed(parse_reduction(reduce))
        check_unfinished(out)
        listing = _read(images)
        assert listing.paths is not None
        settings = _settings(adapts=start is not None, **chosen)
        made = _build(backbone, image_size, start, settings.seed)
        with _ctrl_c() as should_stop, bar("reading", unit="image") as shown:
            report = train_network(
                listing.paths,
                out,
                backbone=made,
                settings=settings,
                view_size=view_size,
                reduce=reduce,
                reading=follow(shown),
                on_resume=lambda training: shown.write(
                    f"going on at {training.done:.0%}", file=sys.stderr
                ),
                progress=_show(shown),
                should_stop=should_stop,
            )
    except EmbeddingError as error:
        raise BadInput(error.message, error.remedy) from error
    failures = [(listing.sample_ids[one.position], one.reason) for one in report.failures]
    print_failures(failures, n=len(failures))
    _say(out, report, as_json)


def _read(images: Path) -> Listing:
    path = images.expanduser().resolve()
    # a person's own files: there is nothing here to keep them from
    return read_images(path, roots=[Path(path.anchor)], labels=False, multi=False)


def _build(
    backbone: str | None, image_size: int | None, start: str | None, seed: int
) -> "Backbone":
    """Make the network that learns; of a folder its own, which sees images as it did."""
    from embeddings.self_supervised.backbone import build
    from embeddings.self_supervised.trained import start_from

    if start is None or not Path(start).expanduser().is_dir():
        return build(backbone or "small", image_size=image_size, start=start, seed=seed)
    if backbone is not None or image_size is not None:
        raise BadInput(
            f"{start} says which network it holds, and the size of its images",
            "leave --backbone and --image-size out",
        )
    return start_from(Path(start).expanduser())


def _settings(*, adapts: bool, **chosen: Any) -> "Settings":
    """Fill in what was not chosen; trained weights are to be changed a little, and slowly."""
    from embeddings.self_supervised.settings import ADAPTING_BATCH, ADAPTING_RATE, Settings

    given = {name: value for name, value in chosen.items() if value is not None}
    if "epochs" in given and "minutes" not in given:
        given["minutes"] = None
    if adapts:
        defaults = {"learning_rate": ADAPTING_RATE, "batch_size": ADAPTING_BATCH}
        given = {**defaults, "freeze_norms": True, **given}
    return Settings(**given)


def _show(shown: "tqdm[Any]") -> "Callable[[Training], None]":
    """Return a callback that turns the bar of the reading into that of the training."""

    def move(training: "Training") -> None:
        if shown.unit != _UNIT:
            shown.unit = _UNIT
            shown.set_description("training", refresh=False)
            shown.reset(total=_PARTS)
        said = {"epoch": f"{training.epoch:.1f}", "loss": f"{training.loss:.2f}"}
        if training.looks:
            look = training.looks[-1]
            said |= {"rank": f"{look.effective_rank:.0f}", "kept": f"{look.kept:.0%}"}
        shown.set_postfix(said, refresh=False)
        shown.update(round(training.done * _PARTS) - shown.n)

    return move


@contextmanager
def _ctrl_c() -> "Iterator[Callable[[], bool]]":
    """Let Ctrl-C end the step that is under way instead of tearing it apart."""
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


def _say(out: Path, report: "Report", as_json: bool) -> None:
    training = report.training
    look = training.looks[-1] if training.looks else None
    if as_json:
        print_json(
            {
                "out": str(out),
                "embedder": f"ssl:{out}",
                "n_images": len(training.pixels),
                "epochs": training.epoch,
                "seconds": training.seconds,
                "ended_early": report.early,
                "effective_rank": None if look is None else look.effective_rank,
                "kept_neighbors": None if look is None else look.kept,
                "n_failures": len(report.failures),
            }
        )
        return
    early = ": its neighbour graph stood still" if report.early else ""
    click.echo(
        f"wrote {out}: {training.epoch:.1f} epochs over {len(training.pixels):,} images in "
        f"{training.seconds / 60:.1f} minutes{early}"
    )
    click.echo(f"embed with: al-server embed IMAGES --embedder ssl:{out} --out FILE.npz")
