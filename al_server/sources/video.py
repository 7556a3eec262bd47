"""Frames of videos as samples: by interval, by count, or one of each scene.

The frames become JPEG files in the media folder, under the hash of the video's content and their
time. A second reading finds them there: nothing is decoded twice, moved files neither.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import orjson

from al_server.answers import Failure
from al_server.errors import BadSource
from al_server.models import Source
from al_server.sources.folder import find_files, folder_label, printable
from al_server.sources.listing import MAX_ID_LENGTH, Listing, class_names
from al_server.sources.scenes import HEIGHT, WIDTH, SceneCuts
from al_server.sources.video_file import (
    VIDEO_SUFFIXES,
    Frame,
    VideoFile,
    VideoUnreadable,
    as_jpeg,
    thumbnail,
)
from al_server.sources.whole_file import write_media

EVERY_S = 2.0
"""Seconds from one frame to the next where a source says nothing."""
MAX_FRAMES = 10_000
"""Most frames of one video."""
RULE = 1
"""Counts up when the same settings would choose other frames than before."""
REPORT_FRAMES = 100
FOLDER = Path("frames")


@dataclass
class _Taken:
    """What was taken of one video: the times of its frames, and what to know about it."""

    folder: Path
    times_ms: list[int] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    n_bytes: int = 0

    def file(self, ms: int) -> Path:
        return self.folder / f"{ms:09d}.jpg"


def read_videos(
    path: Path,
    source: Source,
    *,
    roots: Sequence[Path],
    media: Path,
    multi: bool,
    progress: Callable[[int, int], None] | None = None,
) -> Listing:
    """Take the frames of one video, or of all videos below a folder.

    A sample_id is the video's path within the source, `@`, and the time in seconds with 3 decimals,
    as in `trips/monday.mp4@12.500`; frames come in that order. A group is a video, a label the name
    of the folder that it lies in. What cannot be decoded is left out and listed, video by video.
    `progress` is called with how many videos are done, and how many there are.

    Raises
    ------
    BadSource
        If there is no video, no frame can be had of any, the media folder cannot be written, or
        PyAV is not installed.
    """
    videos, failures = _videos(path, roots)
    report = progress or (lambda n_done, n: None)
    ids, paths, groups, n_bytes = list[str](), list[Path](), list[str](), 0
    for position, (name, file) in enumerate(videos):
        report(position, len(videos))

        def tick(n_done: int = position) -> None:
            report(n_done, len(videos))

        taken = _take(file, source, media.resolve() / FOLDER, tick)
        failures += [Failure(sample=name, reason=reason) for reason in taken.reasons]
        n_bytes += taken.n_bytes
        for ms in taken.times_ms:
            ids.append(f"{name}@{_seconds(ms)}")
            paths.append(taken.file(ms))
            groups.append(name)
    report(len(videos), len(videos))
    if not ids:
        raise BadSource(
            f"{path}: no frame of {len(videos)} videos can be had; {failures[0].sample}: "
            f"{failures[0].reason}",
            "give videos that play from beginning to end",
        )
    known = [folder_label(name, multi=multi) for name in groups] if source.labels else None
    return Listing(
        kind="image",
        sample_ids=ids,
        paths=paths,
        labels=known,
        classes=class_names(known),
        groups=groups,
        failures=failures,
        note=f"{len(ids):,} frames of {len(videos):,} videos; "
        f"{n_bytes / 10**6:.1f} MB written to {media / FOLDER}",
    )


def _videos(path: Path, roots: Sequence[Path]) -> tuple[list[tuple[str, Path]], list[Failure]]:
    if path.is_file():
        return [(printable(path.name), path)], []
    files, failures = find_files(path, roots=roots, suffixes=VIDEO_SUFFIXES)
    if not files:
        raise BadSource(
            f"{path} holds no videos", f"videos end in {', '.join(sorted(VIDEO_SUFFIXES))}"
        )
    room = MAX_ID_LENGTH - len(f"@{_seconds(10**18)}")
    failures += [Failure(sample=name, reason="its path is too long") for name, _ in files
                 if len(name) > room]  # fmt: skip
    return [(name, file) for name, file in files if len(name) <= room], failures


def _take(file: Path, source: Source, frames: Path, tick: Callable[[], None]) -> _Taken:
    """Take the frames of one video, or find those that were taken before."""
    try:
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        return _Taken(frames, reasons=[f"cannot be read: {error.strerror or error}"])
    taken = _Taken(frames / content)
    note = taken.folder / f"{_chosen(source)}.v{RULE}.json"
    if _known(note, taken):
        return taken
    try:
        with VideoFile(file) as video:
            _decode(video, source, taken, tick)
        write_media(note, orjson.dumps({"ms": taken.times_ms, "reasons": taken.reasons}))
    except VideoUnreadable as error:
        taken.reasons.append(str(error))
    return taken


def _known(note: Path, taken: _Taken) -> bool:
    """Fill in what a note of an earlier run says, as long as all its frames are there."""
    try:
        said = orjson.loads(note.read_bytes())
        times, reasons = list(said["ms"]), list(said["reasons"])
        if not all(taken.file(ms).is_file() for ms in times):
            return False
    except (OSError, ValueError, KeyError, TypeError):  # none, or not one of ours
        return False
    taken.times_ms, taken.reasons = times, reasons
    return True


def _decode(video: VideoFile, source: Source, taken: _Taken, tick: Callable[[], None]) -> None:
    for frame in _wanted(video, source, tick):
        if len(taken.times_ms) == MAX_FRAMES:
            taken.reasons.append(f"more than {MAX_FRAMES:,} frames are asked for; these are first")
            break
        file = taken.file(frame.ms)
        if not file.is_file():  # taken by another rule before, or by a run that was killed
            content = as_jpeg(frame.picture)
            if content is None:
                video.leave_out(frame.ms)
                continue
            write_media(file, content)
            taken.n_bytes += len(content)
        taken.times_ms.append(frame.ms)
        tick()
    if video.n_broken:
        since = "" if video.broken_ms is None else f", the first at {_seconds(video.broken_ms)} s"
        taken.reasons.append(f"{video.n_broken:,} damaged frames are left out{since}")
    if video.ends_early:
        taken.reasons.append(video.ends_early)
    elif not taken.times_ms:
        taken.reasons.append("no frame of it can be decoded")


def _wanted(video: VideoFile, source: Source, tick: Callable[[], None]) -> Iterator[Frame]:
    """Choose among the frames of a video."""
    if source.scenes:
        cuts = SceneCuts()
        for position, frame in enumerate(video.frames()):
            if position % REPORT_FRAMES == 0:
                tick()  # a long video must be open to being stopped
            small = thumbnail(frame.picture, width=WIDTH, height=HEIGHT)
            if small is not None and cuts.begins(frame.ms, small):
                yield frame
        return
    next_goal = _even(video, source.frames) if source.frames else _regular(source.every or EVERY_S)
    goal = next_goal(-1) or 0
    for position, frame in enumerate(video.frames()):
        if position % REPORT_FRAMES == 0:
            tick()
        if frame.ms < goal:
            continue
        yield frame
        following = next_goal(frame.ms)
        if following is None:
            return
        goal = following
        video.skip_to(goal)


def _regular(every_s: float) -> Callable[[int], int | None]:
    """Return what tells the time, in ms, after which the next frame is wanted."""
    every_ms = Fraction(every_s).limit_denominator(1000) * 1000
    half = Fraction(1, 2)  # times are rounded to ms: 33 stands for a third of 100, too
    return lambda ms: round(((ms + half) // every_ms + 1) * every_ms)


def _even(video: VideoFile, n_frames: int) -> Callable[[int], int | None]:
    """Tell the same for so many frames, each from the middle of one of as many parts of all."""
    times = video.packet_times()
    n_taken = min(n_frames, len(times))
    goals = [times[(2 * part + 1) * len(times) // (2 * n_taken)] for part in range(n_taken)]
    if not goals:
        goals = [0]  # times that only the decoder knows: the first frame, at least
    return lambda ms: next(iter(goals[bisect_right(goals, ms) :][:1]), None)


def _chosen(source: Source) -> str:
    """Name the way that frames are chosen, as part of a file's name."""
    if source.scenes:
        return "scenes"
    return f"frames-{source.frames}" if source.frames else f"every-{source.every or EVERY_S!r}"


def _seconds(ms: int) -> str:
    return f"{ms // 1000}.{ms % 1000:03d}"
