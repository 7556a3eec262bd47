"""A part of a source: the samples whose names a file lists, such as the kept ones of a curation."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from al_server.answers import Failure
from al_server.errors import BadSource
from al_server.sources.listing import MAX_ID_LENGTH, Listing, only, shown
from embeddings.plain_file import open_plain

MAX_BYTES = 512 * 2**20


def read_names(file: Path) -> list[str]:
    """Read a list of sample ids, one a line, UTF-8; empty lines are passed over.

    Raises
    ------
    BadSource
        If the file cannot be read, is too large, or holds no names.
    """
    remedy = "one sample_id a line, UTF-8, as al-server filter writes kept.txt"
    try:
        with open_plain(file) as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise BadSource(f"{file} is larger than {MAX_BYTES // 2**20} MB", remedy)
        names = [line for line in data.decode("utf-8-sig").splitlines() if line]
    except OSError as error:
        raise BadSource(f"{file} cannot be read: {error.strerror or error}", remedy) from error
    except UnicodeDecodeError as error:
        raise BadSource(f"{file} cannot be read: {error}", remedy) from error
    if not names:
        raise BadSource(f"{file} names no samples", remedy)
    if any(len(name) > MAX_ID_LENGTH for name in names):
        raise BadSource(f"{file} has lines of over {MAX_ID_LENGTH} characters", remedy)
    return names


def only_named(listing: Listing, names: list[str], *, where: str) -> Listing:
    """Return the named samples, in the order of the source; names it does not have are failures.

    Raises
    ------
    BadSource
        If it has none of them.
    """
    wanted = dict.fromkeys(names)
    rows = [row for row, name in enumerate(listing.sample_ids) if name in wanted]
    known = {*listing.sample_ids, *(one.sample for one in listing.failures)}
    unknown = [name for name in wanted if name not in known]
    if not rows:
        raise BadSource(
            f"the source has none of the {len(wanted):,} samples that {where} names, such as "
            f"{shown(names)}",
            f"its own are called {shown(listing.sample_ids)}",
        )
    failures = [one for one in listing.failures if one.sample in wanted]
    failures += [
        Failure(sample=name, reason=f"named by {where}, and not in the source") for name in unknown
    ]
    return replace(only(listing, np.array(rows)), failures=failures)
