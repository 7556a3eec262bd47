"""Videos of plain colours, made for a test: what is in which frame is known."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

av = pytest.importorskip("av", reason="videos need PyAV: requirements-video.txt")

Color = tuple[int, int, int]
TICK = Fraction(1, 1000)
SIZE = (64, 48)


def colors(n: int) -> list[Color]:
    """Colours that differ by more than a codec loses."""
    return [(40 + 35 * (i % 6), 40 + 35 * (i // 6 % 6), 40 + 35 * (i // 36 % 6)) for i in range(n)]


def plain(color: Color) -> NDArray[np.uint8]:
    width, height = SIZE
    return np.full((height, width, 3), color, dtype=np.uint8)


def make_video(
    path: Path,
    times_ms: Sequence[int],
    pictures: Sequence[NDArray[np.uint8]] | None = None,
    *,
    codec: str = "mpeg4",
    gop: int = 5,
    **options: str,
) -> Path:
    """Write pictures with their times; a whole picture every `gop` frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = pictures or [plain(color) for color in colors(len(times_ms))]
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=1000)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = TICK
        stream.codec_context.gop_size = gop
        stream.codec_context.bit_rate = 2_000_000
        stream.codec_context.options = {"sc_threshold": "1000000000"}  # no others at cuts
        for ms, picture in zip(times_ms, pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = ms, TICK
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def packets(path: Path) -> list[tuple[int, int]]:
    """Where the frames of a video lie in its file: position and size in bytes."""
    with av.open(str(path)) as container:
        return [(one.pos, one.size) for one in container.demux(video=0) if one.size]
