"""What `al-server filter` wrote, read again."""

import csv
from pathlib import Path

N = 40
PLAIN = ("--no-insights", "--data")


def removed(out: Path) -> list[dict[str, str]]:
    with (out / "removed.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def kept(out: Path) -> list[str]:
    return (out / "kept.txt").read_text("utf-8").splitlines()
