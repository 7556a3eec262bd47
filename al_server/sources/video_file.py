"""The pictures of one video file, with their times, read as a person would see them.

Times are those the file gives its frames (their presentation time stamps), counted from its
beginning, in milliseconds: they are right where frames do not come evenly, too.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from al_server.errors import BadSource
from embeddings.images import MAX_PIXELS
from embeddings.installing import how_to_install

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"})
"""Suffixes of the files that are taken for videos, in lower case."""

MIN_JUMP_MS = 5000
"""What is nearer is reached by decoding: nearly every video has its whole pictures so near."""
LANDING_MS = 1000
"""A jump aims so far ahead of its goal: some files order whole pictures by when they are decoded"""
MAX_MISSING_MS = 1000
"""Frames may end so long before the file does: sound is often longer."""
_OPTIONS = {"protocol_whitelist": "none"}
_MP4_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
_TURNS = {90: 2, 180: 3, 270: 4}  # PIL's Transpose.ROTATE_90 to ROTATE_270, counterclockwise


class VideoUnreadable(Exception):
    """A file that no frames can be had from; the text says why."""


class Frame(NamedTuple):
    """A decoded frame: its time in ms, and PyAV's picture."""

    ms: int
    picture: Any


class VideoFile:
    """A video that is open, to be used in a ``with``.

    Attributes
    ----------
    n_broken : frames left out so far: damaged ones, and those that build on them
    broken_ms : time of the first of them, None where there is none or it is not known
    ends_early : why the frames ended before the file says that they do, or nothing

    Raises
    ------
    VideoUnreadable
        If it is no video, or too large.
    BadSource
        If PyAV is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.n_broken = 0
        self.broken_ms: int | None = None
        self.ends_early = ""
        self._path = path
        self._goal: int | None = None
        self._can_jump = True

    def __enter__(self) -> Self:
        _load_av()
        try:
            self._stream = self._path.open("rb")
        except OSError as error:
            raise VideoUnreadable(f"cannot be opened: {error.strerror}") from error
        try:
            self._open()
        except BaseException:
            self._stream.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._container.close()
        self._stream.close()

    def _open(self) -> None:
        av = _load_av()
        self._stream.seek(0)
        kind = _container_kind(self._stream.read(12))
        self._stream.seek(0)
        try:
            # The kind is told, not guessed: a playlist would make ffmpeg open what it names. No
            # protocol is allowed either: all that is read is the file that is open here.
            self._container = av.open(
                self._stream,
                format=kind,
                options=_OPTIONS | _limit(),
                metadata_errors="ignore",  # a title in an old code page is no reason to give up
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise VideoUnreadable(f"cannot be opened: {_said(error)}") from error
        try:
            self._video = self._first_video(av)
        except BaseException:
            self._container.close()
            raise

    def _first_video(self, av: Any) -> Any:
        pictures = av.stream.Disposition.attached_pic
        videos = [one for one in self._container.streams.video if not one.disposition & pictures]
        if not videos:
            raise VideoUnreadable("holds no video")
        stream = videos[0]
        context = stream.codec_context
        if context is None:
            raise VideoUnreadable("is coded in a way that is not known here")
        if context.width * context.height > MAX_PIXELS:
            raise VideoUnreadable(
                f"its frames are larger than {MAX_PIXELS // 10**6} megapixels "
                f"({context.width} x {context.height})"
            )
        # a stream may change its size half-way
        context.options = _limit()
        # the part of the time base that all times are multiples of
        self._tick_ms = float(1000 * stream.time_base)
        self._start = stream.start_time or 0
        return stream

    def packet_times(self) -> list[int]:
        """Return the times of all frames, sorted, in ms, without decoding one.

        To be asked before `frames`.
        """
        stamps = []
        for packet in self._packets():
            stamp = packet.pts if packet.pts is not None else packet.dts
            if packet.size and stamp is not None:
                stamps.append(self._ms(stamp))
        self._container.close()
        self._open()
        self.ends_early = ""
        return sorted(ms for ms in stamps if ms >= 0)

    def skip_to(self, ms: int) -> None:
        """Let `frames` go on with the frames around that time; none at or after it is passed over.

        Far ahead they are not decoded: the reading jumps to the whole picture before it.
        """
        self._goal = ms

    def frames(self) -> Iterator[Frame]:
        """Yield the frames that are whole, in the order of their times, no two at the same ms.

        After a damaged frame those that build on it are left out, up to the next whole picture.
        """
        last, jumped = -1, None
        packets = self._packets()
        whole = True
        while (packet := next(packets, None)) is not None:
            decoded = self._decode(packet)
            whole = whole and decoded is not None
            for picture in decoded or ():
                whole = whole or bool(picture.key_frame)
                stamp = picture.pts if picture.pts is not None else picture.dts
                if not whole or picture.is_corrupt or stamp is None:
                    self.leave_out(None if stamp is None else self._ms(stamp))
                    continue
                ms = self._ms(stamp)
                if jumped is not None and ms > jumped:
                    # its index misled us: from the beginning then, one by one
                    self._can_jump, jumped = False, None
                    packets = self._seek(0)
                    break
                jumped = None
                if ms <= last:
                    continue
                last = ms
                yield Frame(ms, picture)
                goal, self._goal = self._goal, None  # one jump each, wherever it lands
                if self._can_jump and goal is not None and goal - ms > MIN_JUMP_MS:
                    jumped, whole = goal, True
                    packets = self._seek(goal - LANDING_MS)
                    break
        self._check_end(last)

    def _packets(self) -> Iterator[Any]:
        av = _load_av()
        try:
            yield from self._container.demux(self._video)
        except (av.FFmpegError, OSError) as error:
            self.ends_early = f"the file is damaged: {_said(error)}"

    def _decode(self, packet: Any) -> list[Any] | None:
        av = _load_av()
        try:
            return list(packet.decode())
        except (av.FFmpegError, OSError):
            self.leave_out(None if packet.pts is None else self._ms(packet.pts))
            return None

    def leave_out(self, ms: int | None) -> None:
        """Count a frame among the broken ones."""
        if not self.n_broken:
            self.broken_ms = ms
        self.n_broken += 1

    def _seek(self, ms: int) -> Iterator[Any]:
        av = _load_av()
        self.ends_early = ""
        try:
            self._container.seek(round(ms / self._tick_ms) + self._start, stream=self._video)
        except (av.FFmpegError, OSError):
            self._can_jump = False
            self._container.close()
            self._open()
        return self._packets()

    def _ms(self, stamp: int) -> int:
        return round((stamp - self._start) * self._tick_ms)

    def _check_end(self, last_ms: int) -> None:
        # some files break off without a word
        said = (self._container.duration or 0) // 1000
        if not self.ends_early and last_ms >= 0 and said - last_ms > MAX_MISSING_MS:
            times = f"{last_ms / 1000:.3f} s of {said / 1000:.3f} s"
            self.ends_early = f"its frames end at {times}: the rest is damaged, or not there"


def _limit() -> dict[str, str]:
    return {"max_pixels": str(MAX_PIXELS)}


def as_jpeg(picture: Any) -> bytes | None:
    """Return a frame as the bytes of a JPEG, upright as its file says; None if that cannot be done.

    Videos have lost more than a JPEG of quality 95 loses; as PNG it would be ten times as large.
    """
    written = BytesIO()
    try:
        image = picture.to_image()
        turn = round(picture.rotation) % 360
        image = image.transpose(_TURNS[turn]) if turn in _TURNS else image
        image.save(written, format="JPEG", quality=95, subsampling=0)
    except Exception:  # converters meet hostile frames and raise anything
        return None
    return written.getvalue()


def thumbnail(picture: Any, *, width: int, height: int) -> NDArray[np.uint8] | None:
    """Return a frame made small, uint8 array of shape (height, width, 3), or None as above."""
    try:
        small: NDArray[np.uint8] = picture.reformat(
            width=width, height=height, format="rgb24", interpolation="AREA"
        ).to_ndarray()
    except Exception:
        return None
    return small


def _container_kind(start: bytes) -> str:
    """Tell ffmpeg's name of the container by the first bytes of a file: names of files lie."""
    if not start:
        raise VideoUnreadable("the file is empty")
    if start.startswith(b"\x1aE\xdf\xa3"):
        return "matroska"
    if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
        return "avi"
    if start[4:8] in _MP4_BOXES:
        return "mov"
    raise VideoUnreadable("not a video that can be read (mp4, mov, mkv, webm, avi)")


def _said(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _load_av() -> Any:
    try:
        import av
    except ImportError as error:
        raise BadSource(
            "videos are read by PyAV, which is not installed here",
            how_to_install("video"),
        ) from error
    return av
