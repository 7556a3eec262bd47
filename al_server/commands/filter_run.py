"""What `al-server filter` does: read, embed, check, remove, write."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from al_server.answers import Failure
from al_server.campaign.embedding import choose_embedder
from al_server.commands.filter_chain import Chain, chain_of
from al_server.commands.filter_report import Besides, Copied, Troubles, not_compared, say
from al_server.commands.filter_source import Data, contents_of, read
from al_server.commands.output import bar, follow
from al_server.commands.source_options import absolute
from al_server.curation import image_checks, manifest, writing
from al_server.curation.amounts import ANY_NUMBER, AUTO, Amount, make_plan
from al_server.curation.copying import copy_files
from al_server.curation.figures import figures
from al_server.curation.gate import Gate
from al_server.curation.near_duplicates import NearDuplicates
from al_server.curation.pipeline import Pipeline
from al_server.curation.projection import check_method
from al_server.errors import BadInput
from al_server.sources.listing import Listing

UNREADABLE = "unreadable"
_FITTED = {"pixels", "tfidf"}


@dataclass(frozen=True)
class Wanted:
    """The options of the command, but for those of the source and the embedder."""

    out: Path
    exact_duplicates: bool
    near_duplicates: bool
    outliers: str | None
    similars: str | None
    more: tuple[str, ...]
    keep: str | None
    keep_by: str
    per_class: str | None
    metric: Any
    images: Path | None
    copy: Path | None
    link: Path | None
    checks: bool
    drop: str
    with_gate: bool
    insights: bool
    projection: Any
    overwrite: bool


def run(
    wanted: Wanted, source: dict[str, Any], embedding: dict[str, Any], *, as_json: bool
) -> None:
    """Curate and write; what cannot be done, or written, is refused before the long work."""
    chain = chain_of(wanted)
    if wanted.insights:
        check_method(wanted.projection)
    issues = _issues(wanted.drop)
    if wanted.with_gate and wanted.metric == "geodesic":
        raise BadInput("a gate cannot measure geodesic distances", "leave out --gate or --metric")
    if wanted.with_gate:
        _check_unfitted(embedding["embedder"])
    target = _checked_folders(wanted)
    amounts = {**dict.fromkeys(issues, AUTO), **chain.amounts}
    make_plan(ANY_NUMBER, amounts, wanted.keep)  # what no number of samples can mend is said now
    per_class = wanted.per_class or ("labels" if "classes" in chain.needs else None)
    needs_files = bool(target or wanted.checks or issues or wanted.near_duplicates)

    def check(listing: Listing) -> None:
        if needs_files and listing.paths is None and wanted.images is None:
            raise BadInput(
                "the source holds no files to copy, to check or to compare",
                "name their folder with --images, where ids are names of files",
            )
        writing.check_names(listing.sample_ids)
        make_plan(len(listing.sample_ids), amounts, wanted.keep)
        if wanted.with_gate:
            _check_unfitted(choose_embedder(embedding["embedder"], listing.kind).name)

    data = read(source, embedding, per_class=per_class, images=wanted.images, check=check)
    # some may have been left out
    make_plan(len(data.listing.sample_ids), amounts, wanted.keep)
    checks = _check(data) if wanted.checks or issues else None
    pipeline = _pipeline(wanted, data, chain, issues, checks)
    curation = _curate(pipeline, amounts, wanted, data, source)
    measured = figures(pipeline, curation.curated)
    gate = _gate(pipeline, curation, data, embedding) if wanted.with_gate else None
    lost: list[Failure] = []
    with ExitStack() as folders:
        out = folders.enter_context(writing.whole_folder(wanted.out, overwrite=wanted.overwrite))
        if target is not None:
            place = folders.enter_context(writing.whole_folder(target))
            lost = _copy(data, curation, place, link=wanted.link is not None)
        _write(out, data, pipeline, curation, checks, lost, wanted)
        if gate is not None:
            gate.save(out / writing.GATE)
    copied = None
    if target is not None:
        how = "linked" if wanted.link else "copied"
        copied = Copied(len(curation.curated.kept) - len(lost), target, how)
    troubles = Troubles(
        left_out=[*data.listing.failures, *lost],
        not_checked=checks.failures if checks else [],
        not_compared=not_compared(pipeline),
    )
    say(
        curation.curated,
        measured,
        troubles,
        out=wanted.out,
        metric=wanted.metric,
        besides=Besides(copied, checks.n_by_issue() if checks and wanted.checks else None, gate),
        as_json=as_json,
    )
    if copied is not None and not copied.n:
        raise BadInput(
            f"none of the files could be {copied.how}; what is in {wanted.out} holds all the same",
            f"the reasons are in {wanted.out / writing.NOT_COPIED}; --images names their folder",
        )


def _check_unfitted(embedder: str | None) -> None:
    """Refuse to make a gate by an embedder that knows the samples at hand alone."""
    plugin = (embedder or "").partition(":")[0]
    if plugin in _FITTED:
        raise BadInput(
            f"a gate embeds other samples, and {plugin} is fitted to these alone",
            "name a pretrained network, as with --embedder timm:mobilenetv2_100 --checkpoint FILE, "
            "or leave out --gate",
        )


def _checked_folders(wanted: Wanted) -> Path | None:
    """Return the folder of copies or links, if any; refuse what cannot be written."""
    writing.check_folder(wanted.out, overwrite=wanted.overwrite)
    if wanted.copy and wanted.link:
        raise BadInput("--copy and --link go to one folder", "say one of them")
    target = wanted.copy or wanted.link
    if target is not None:
        writing.check_folder(target)
        out, other = wanted.out.resolve(), target.resolve()
        if out == other or out in other.parents or other in out.parents:
            raise BadInput(f"{target} and {wanted.out} lie in each other", "name two folders")
    return target


def _issues(drop: str) -> list[str]:
    issues = list(dict.fromkeys(one.strip() for one in drop.split(",") if one.strip()))
    for issue in issues:
        if issue not in image_checks.ISSUES:
            raise BadInput(f"--drop: {issue} is no issue", f"of {', '.join(image_checks.ISSUES)}")
    return issues


def _check(data: Data) -> image_checks.ImageChecks:
    assert data.paths is not None
    with bar("checking", unit="image") as shown:
        return image_checks.check_images(
            data.listing.sample_ids, data.paths, progress=follow(shown)
        )


def _pipeline(
    wanted: Wanted,
    data: Data,
    chain: Chain,
    issues: list[str],
    checks: image_checks.ImageChecks | None,
) -> Pipeline:
    vectors = data.listing.vectors
    assert vectors is not None
    return Pipeline(
        vectors,
        data.listing.sample_ids,
        classes=data.classes,
        contents=contents_of(data) if "contents" in chain.needs else None,
        metric=wanted.metric,
        chain=[
            *(checks.filter_of(one) for one in issues if checks),
            *(
                NearDuplicates(data.paths) if one == NearDuplicates.reason and data.paths else one
                for one in chain.amounts
            ),
        ],
        keep_by=chain.keep_by,
        k=chain.k,
    )


def _curate(
    pipeline: Pipeline,
    amounts: dict[str, Amount],
    wanted: Wanted,
    data: Data,
    source: dict[str, Any],
) -> manifest.Curation:
    with _progress(pipeline, "neighbors"):
        _ = pipeline.points
    for name in [*amounts, *([pipeline.keep_by] if wanted.keep is not None else [])]:
        with _progress(pipeline, name):
            pipeline.tree(name)
    return manifest.curate(
        pipeline,
        amounts,
        keep=wanted.keep,
        made_of={
            **{name: str(value) for name, value in source.items() if value not in (None, False)},
            "embedder": data.embedder_id,
            "per_class": wanted.per_class,
        },
    )


@contextmanager
def _progress(pipeline: Pipeline, doing: str) -> Iterator[None]:
    with bar(doing, unit="%", total=100, delay_s=0.5) as shown:

        def move(share: float) -> None:
            shown.update(round(100 * share) - shown.n)

        pipeline.progress = move
        yield
    pipeline.progress = None


def _copy(data: Data, curation: manifest.Curation, folder: Path, *, link: bool) -> list[Failure]:
    assert data.paths is not None
    rows = curation.curated.kept.tolist()
    with bar("linking" if link else "copying", unit="file") as shown:
        return copy_files(
            [data.listing.sample_ids[row] for row in rows],
            [data.paths[row] for row in rows],
            folder,
            link=link,
            progress=follow(shown),
        )


def _gate(
    pipeline: Pipeline, curation: manifest.Curation, data: Data, embedding: dict[str, Any]
) -> Gate:
    """Make a gate that knows what to embed with."""
    checkpoint = embedding["checkpoint"]
    return replace(
        Gate.of(pipeline, curation.curated, embedder=data.embedder_id),
        embedder_name=embedding["embedder"] or "",
        checkpoint="" if checkpoint is None else absolute(checkpoint),
    )


def _write(
    out: Path,
    data: Data,
    pipeline: Pipeline,
    curation: manifest.Curation,
    checks: image_checks.ImageChecks | None,
    lost: list[Failure],
    wanted: Wanted,
) -> None:
    curated, listing = curation.curated, data.listing
    unread = [(one.sample, UNREADABLE, "", "", "") for one in listing.failures]
    texts = {
        writing.KEPT: writing.kept_text(curated),
        writing.REMOVED: writing.csv_text(
            writing.REMOVED_COLUMNS, [*writing.removed_rows(curated), *unread]
        ),
        writing.MANIFEST: curation.manifest.to_json() + "\n",
    }
    if wanted.checks and checks is not None:
        rows = zip(listing.sample_ids, checks.told(), strict=True)
        texts[writing.CHECKS] = writing.csv_text(
            ("file", "issues", *image_checks.ISSUES), [(name, *cells) for name, cells in rows]
        )
    if lost:
        texts[writing.NOT_COPIED] = writing.csv_text(
            ("file", "reason"), [(one.sample, one.reason) for one in lost]
        )
    for name, text in texts.items():
        (out / name).write_text(text, "utf-8", newline="")
    if wanted.insights:
        from al_server.curation import insights

        insights.write(
            curated,
            pipeline.vectors,
            out / writing.INSIGHTS,
            classes=data.classes,
            class_names=data.class_names,
            image_paths=data.paths,
            texts=listing.texts,
            projection=wanted.projection,
            metric="cosine" if wanted.metric == "cosine" else "euclidean",
        )
