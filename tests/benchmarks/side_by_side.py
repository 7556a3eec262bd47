"""Ours beside scikit-activeml, small-text and modAL: the same loop, only the choice is theirs.

    make bench-peers
    python -m tests.benchmarks.side_by_side --out /tmp/side_by_side [--sets mnist] [--table]

Each strategy labels the same pools (three sets of `AL_TEST_DATA`/embeddings, fruits split by group)
with the same classifier, splits and random streams, and is measured on the same holdout. Peers stay
in processes of their own and get what they ask for: unit embeddings, labels, and the probabilities
of our classifier as those of a fitted one. What needs labels starts with a uniform batch, which is
counted; `--shared-start 10` gives all arms, ours included, the same random first batch, so that
only what comes after is compared.

Seconds are those of the query alone, one thread: the peer's own, without the way to it; ours
without the upkeep of the arrays that the pool keeps for it (probabilities, neighbors, cover
distance), as peers get the probabilities for nothing.

Wins and losses are beyond chance: Wilcoxon with Holm over all arms on a set, and a BCa interval
that leaves out 0. Every repeat is kept, and a run that was stopped goes on. `--table` only prints
what is there. The last line is JSON.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from al_server.lab.comparison import compare, files_in
from al_server.lab.curves import Run
from al_server.lab.data import read_data
from al_server.lab.plan import BASELINE, Plan, make_plan
from al_server.lab.results import gather
from al_server.lab.statistics import area, fewest_repeats
from strategies import registry
from tests.benchmarks.evidence import DATA, HOLDOUT
from tests.benchmarks.evidence import SETS as ALL_SETS
from tests.benchmarks.peer_adapter import ENVIRONMENTS, PeerStrategy
from tests.benchmarks.peer_strategies import STRATEGIES
from tests.benchmarks.peer_table import OURS, RANDOM, Arm, Runs, print_best, print_table

SETS = ("fruits", "mnist", "sentiment")
# by its own name: runs are kept, and what `default` stands for may change
DEFAULT = registry.describe(registry.make("default"))
OUR_ARMS = tuple(dict.fromkeys((DEFAULT, "mass", "in_class", "margin")))
LOG = "queries.jsonl"


class Job(NamedTuple):
    """One library on one set: a comparison of its own, with its own run of the baseline."""

    data: str
    library: str
    options: argparse.Namespace

    @property
    def folder(self) -> Path:
        """Where its runs are kept."""
        out: Path = self.options.out
        return out / f"{self.data}-{self.library}"

    def plan(self) -> Plan:
        """Say what is compared."""
        names = OUR_ARMS if self.library == OURS else tuple(STRATEGIES[self.library])
        return make_plan(
            strategies=names,
            repeats=self.options.repeats,
            budget=self.options.budget,
            batch=self.options.batch,
            holdout=HOLDOUT,
            by_group=self.data == "fruits",
            most_in_pool=self.options.pool,
            n_shared=self.options.shared_start,
            classifier=self.options.classifier,
            probe=False,
        )

    def run(self, bar: "tqdm[Any]") -> None:
        """Run what is not there yet."""
        peers = {} if self.library == OURS else STRATEGIES[self.library]
        environment = ENVIRONMENTS.get(self.library, Path())
        own = {
            name: PeerStrategy(
                self.library, name, environment, entry.needs_labels, self.folder / LOG
            )
            for name, entry in peers.items()
        }
        before = bar.n

        def progress(n_done: int, n_all: int) -> None:
            # repeats that were there already count as done
            bar.update(before + self.options.repeats - n_all + n_done - bar.n)

        data = read_data(DATA / f"{ALL_SETS[self.data]}.npz")
        workers = self.options.workers
        compare(data, self.plan(), out=self.folder, own=own, n_workers=workers, progress=progress)
        bar.update(before + self.options.repeats - bar.n)

    def results(self) -> dict[Arm, Runs]:
        """Read what has been run; nothing where it is not finished."""
        plan = self.plan()
        runs = files_in(self.folder)[0].read()
        repeats = list(range(plan.repeats))
        if any(Run(arm, repeat) not in runs for arm in plan.arms for repeat in repeats):
            return {}
        found = gather(runs, arms=plan.arms, repeats=repeats)
        logged = self._logged()
        return {
            (RANDOM if name == BASELINE else Arm(self.library, name)): Runs(
                area(found.curves[name][plan.shown], found.n_labeled),
                *logged.get(name, (found.seconds[name].ravel().tolist(), 0, 1)),
            )
            for name in plan.arms
        }

    def _logged(self) -> dict[str, tuple[list[float], int, int]]:
        """Return, by arm, the peer's seconds, how many batches were uniform, and of how many."""
        file = self.folder / LOG
        batches: dict[str, list[float | None]] = {}
        for line in file.read_text().splitlines() if file.exists() else ():
            one = json.loads(line)
            batches.setdefault(one["arm"], []).append(one["seconds"])
        return {
            name: (
                [one for one in all_of_it if one is not None],
                all_of_it.count(None),
                len(all_of_it),
            )
            for name, all_of_it in batches.items()
        }


def jobs(options: argparse.Namespace) -> Iterator[Job]:
    """List the comparisons."""
    for data in options.sets.split(","):
        for library in options.libraries.split(","):
            environment = ENVIRONMENTS.get(library)
            if environment and not options.table and not (environment / "bin/python").exists():
                print(f"{library} is left out: run `make bench-peers` first", flush=True)
                continue
            yield Job(data, library, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to keep the runs in")
    parser.add_argument("--sets", default=",".join(SETS), help="by comma")
    parser.add_argument("--libraries", default=",".join([OURS, *STRATEGIES]), help="by comma")
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--pool", type=int, default=1000)
    parser.add_argument("--shared-start", type=int, default=0)
    parser.add_argument("--classifier", choices=("knn", "propagated"), default="propagated")
    parser.add_argument("--workers", type=int, help="processes; one a core")
    parser.add_argument("--table", action="store_true", help="only print what is there")
    return parser.parse_args()


def main() -> None:
    """Run, and print the table."""
    options = _options()
    for asked, known in ((options.sets, ALL_SETS), (options.libraries, [OURS, *STRATEGIES])):
        if unknown := set(asked.split(",")) - set(known):
            raise SystemExit(f"{', '.join(sorted(unknown))}: none of {', '.join(known)}")
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is missing; set AL_TEST_DATA to the folder of the real data")
    planned = list(jobs(options))
    if not options.table:
        n_all = len(planned) * options.repeats
        with tqdm(total=n_all, unit="repeat", dynamic_ncols=True) as bar:
            for job in planned:
                bar.set_description(job.folder.name)
                try:
                    job.run(bar)
                except KeyboardInterrupt:
                    raise SystemExit("\nstopped; the same command goes on from here") from None
    runs: dict[str, dict[Arm, Runs]] = {}
    for job in planned:
        runs.setdefault(job.data, {}).update(job.results())
    runs = {data: found for data, found in runs.items() if RANDOM in found}
    n_arms = max((len(found) - 1 for found in runs.values()), default=0)
    fewest = fewest_repeats(n_arms)
    if options.repeats < fewest:
        print(f"No win is beyond chance with less than {fewest} repeats of {n_arms} strategies.\n")
    print("Gain over random sampling in points of area, 95% interval; * win, ! loss\n")
    default = Arm(OURS, DEFAULT)
    table = print_table(runs, default)
    print_best(runs, default)
    told = {"repeats": options.repeats, "budget": options.budget, "default": DEFAULT}
    print(json.dumps(told | {"arms": table}))


if __name__ == "__main__":
    main()
