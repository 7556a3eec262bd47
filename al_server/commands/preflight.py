"""`al-server preflight`: whether active learning is likely to pay on a pool, before any label."""

from pathlib import Path

import click

from al_server.commands.output import as_json_option, bar, examples, print_json


@click.command(
    epilog=examples(
        "al-server preflight pool.npz",
        "al-server preflight vectors.npy --budget 200 --out preflight/",
    )
)
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option("--budget", type=int, default=100, show_default=True, help="Labels to look ahead.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that is drawn.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for preflight.txt and preflight.json.",
)
@as_json_option
def preflight(data: Path, budget: int, seed: int, out: Path | None, as_json: bool) -> None:
    """Say whether active learning is likely to pay on DATA, an .npz or .npy of vectors.

    Labels (`y`) are not needed. Where some are known, a trial run tells what they would have
    gained.
    """
    # imported late: they bring numba and scikit-learn along
    from al_server.lab.preflight import preflight as look
    from al_server.lab.preflight import read_pool
    from al_server.lab.preflight_text import as_plain, text_of

    pool = read_pool(data)
    with bar("preflight", unit="step", delay_s=1.0) as shown:

        def tell(what: str) -> None:
            shown.set_description_str(what)
            shown.update()

        found = look(pool, budget=budget, seed=seed, told=tell)
    if out is not None:
        from al_server.lab.preflight_text import write

        write(found, out)
    if as_json:
        print_json(as_plain(found))
    else:
        click.echo(text_of(found))
