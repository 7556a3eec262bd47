import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from al_server.errors import BadSource, OutsideRoots
from al_server.sources import video as video_source
from al_server.sources import video_file
from al_server.sources.fetch import Fetcher
from al_server.sources.listing import Listing
from al_server.sources.read import read_source
from al_server.sources.video_file import VideoFile
from embeddings.installing import how_to_install
from tests.sources.descriptions import source
from tests.sources.toys_video import SIZE, colors, make_video, packets, plain

Read = Callable[..., Listing]
# variable: many frames in a moment, then none for long
UNEVEN = [0, 40, 100, 500, 520, 2000, 2040, 2500, 3000, 3100]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many packets were decoded, one entry each."""
    seen: list[int] = []
    decode = VideoFile._decode

    def counted(self: VideoFile, packet: Any) -> Any:
        seen.append(packet.size)
        return decode(self, packet)

    monkeypatch.setattr(VideoFile, "_decode", counted)
    return seen


def color_of(path: Path) -> tuple[int, ...]:
    with Image.open(path) as image:
        return tuple(np.asarray(image)[10:-10, 10:-10].mean(axis=(0, 1)).round().astype(int))


def near(color: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return max(abs(a - b) for a, b in zip(color, wanted, strict=True)) < 12


def times(listing: Listing) -> list[str]:
    return [one.partition("@")[2] for one in listing.sample_ids]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "mpeg4"), ("a.mov", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx"),
     ("a.avi", "mpeg4")],
)  # fmt: skip
def test_frames_come_at_the_times_of_the_file_with_their_own_pictures(
    root: Path, read: Read, name: str, codec: str
):
    make_video(root / name, UNEVEN, codec=codec)
    found = read("videos", root / name, every=0.5)
    # the first frame at or after every half second; 1.000 and 1.500 have the same one
    assert found.sample_ids == [
        f"{name}@{t}" for t in ("0.000", "0.500", "2.000", "2.500", "3.000")
    ]
    assert found.kind == "image" and found.failures == []
    assert found.groups == [name] * 5
    made = colors(len(UNEVEN))
    for path, position in zip(found.paths or [], (0, 3, 5, 7, 8), strict=True):
        assert near(color_of(path), made[position])
        with Image.open(path) as image:
            assert image.size == SIZE


def test_two_seconds_apart_when_nothing_is_said(root: Path, read: Read):
    make_video(root / "a.mp4", range(0, 5000, 250))
    assert times(read("videos", root / "a.mp4")) == ["0.000", "2.000", "4.000"]


@pytest.mark.parametrize(("n", "wanted"), [(1, [5]), (2, [2, 7]), (5, [1, 3, 5, 7, 9])])
def test_so_many_frames_come_from_the_middle_of_equal_parts(
    root: Path, read: Read, n: int, wanted: list[int]
):
    make_video(root / "a.mp4", UNEVEN)
    found = read("videos", root / "a.mp4", frames=n)
    assert times(found) == [f"{UNEVEN[position] / 1000:.3f}" for position in wanted]


def test_a_short_video_gives_all_its_frames(root: Path, read: Read):
    make_video(root / "a.mkv", UNEVEN)
    assert len(read("videos", root / "a.mkv", frames=1000).sample_ids) == len(UNEVEN)


def test_one_frame_of_each_scene(root: Path, read: Read):
    rng = np.random.default_rng(0)
    rooms = [plain(color) for color in ((200, 40, 40), (40, 200, 40), (40, 40, 200))]

    def noisy(room: np.ndarray) -> np.ndarray:
        return np.clip(room + rng.integers(-20, 20, room.shape), 0, 255).astype(np.uint8)

    # three scenes of 3 s, and a flash of 0.2 s in the last
    pictures = [noisy(rooms[position // 15]) for position in range(45)]
    pictures[33] = plain((255, 255, 255))
    make_video(root / "a.mp4", range(0, 9000, 200), pictures)
    found = read("videos", root / "a.mp4", scenes=True)
    assert times(found) == ["0.000", "3.000", "6.000"]


def test_a_folder_is_searched_and_labels_are_the_folders(root: Path, read: Read):
    make_video(root / "v/cats/1.mp4", [0, 2000])
    make_video(root / "v/dogs/2.MKV", [0, 1000])
    make_video(root / "v/3.webm", [0], codec="libvpx")
    (root / "v/notes.txt").touch()
    found = read("videos", root / "v", labels=True)
    ids = ["3.webm@0.000", "cats/1.mp4@0.000", "cats/1.mp4@2.000", "dogs/2.MKV@0.000"]
    assert found.sample_ids == ids
    assert found.labels == [None, "cats", "cats", "dogs"]
    assert found.classes == ["cats", "dogs"]
    assert found.groups == ["3.webm", "cats/1.mp4", "cats/1.mp4", "dogs/2.MKV"]
    assert read("videos", root / "v", labels=True, multi=True).labels[1] == ["cats"]  # type: ignore[index]


def test_nothing_is_decoded_twice_and_moved_files_neither(
    root: Path, read: Read, decoded: list[int]
):
    make_video(root / "a.mp4", UNEVEN)
    first = read("videos", root / "a.mp4", every=0.5)
    assert decoded
    decoded.clear()
    (root / "moved").mkdir()
    (root / "a.mp4").rename(root / "moved/b.mp4")
    again = read("videos", root / "moved", every=0.5)
    assert again.paths == first.paths and times(again) == times(first)
    assert decoded == []
    assert again.note.startswith("5 frames of 1 videos; 0.0 MB written")
    # another choice decodes, and writes only what is not there
    stamps = {path: path.stat().st_mtime_ns for path in first.paths or []}
    third = read("videos", root / "moved", every=0.25)
    assert decoded and set(first.paths or []) <= set(third.paths or [])
    assert stamps == {path: path.stat().st_mtime_ns for path in stamps}


def test_a_frame_that_was_deleted_is_taken_again(root: Path, read: Read):
    make_video(root / "a.mp4", UNEVEN)
    path = (read("videos", root / "a.mp4").paths or [])[1]
    content = path.read_bytes()
    path.unlink()
    read("videos", root / "a.mp4")
    assert path.read_bytes() == content


def test_what_was_stopped_goes_on_with_the_same_frames(root: Path, tmp_path: Path):
    make_video(root / "a.mp4", UNEVEN)
    asked = source("videos", root / "a.mp4", every=0.5)
    calls: list[int] = []

    def stop(n_done: int, n: int) -> None:
        calls.append(n_done)
        if len(calls) == 5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        read_source(asked, roots=[root], fetch=Fetcher(tmp_path / "x"), progress=stop)
    assert 0 < len(list((tmp_path / "x").rglob("*.jpg"))) < 5
    found = read_source(asked, roots=[root], fetch=Fetcher(tmp_path / "x"))
    whole = read_source(asked, roots=[root], fetch=Fetcher(tmp_path / "y"))
    contents = [[p.read_bytes() for p in one.paths or []] for one in (found, whole)]
    assert contents[0] == contents[1] and len(contents[0]) == 5
    assert not list((tmp_path / "x").rglob("*.part"))


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "mpeg4")])
def test_jumping_ahead_gives_the_frames_that_decoding_all_gives(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    decoded: list[int],
    name: str,
    codec: str,
):
    make_video(root / name, range(0, 100_000, 400), codec=codec, gop=25)  # 10 s: longer than a jump
    asked = source("videos", root / name, every=15)
    quick = read_source(asked, roots=[root], fetch=Fetcher(tmp_path / "x"))
    n_quick = len(decoded)
    monkeypatch.setattr(video_file, "MIN_JUMP_MS", 10**9)
    slow = read_source(asked, roots=[root], fetch=Fetcher(tmp_path / "y"))
    assert (
        times(quick)
        == times(slow)
        == [*("0.000", "15.200", "30.000", "45.200", "60.000", "75.200", "90.000")]
    )
    assert [p.read_bytes() for p in quick.paths or []] == [p.read_bytes() for p in slow.paths or []]
    assert n_quick < (len(decoded) - n_quick) * 0.8


def broken(path: Path, number: int) -> Path:
    """Overwrite one frame of a video."""
    content = bytearray(path.read_bytes())
    position, size = packets(path)[number]
    content[position : position + size] = bytes((37 * i + 11) % 256 for i in range(size))
    path.write_bytes(bytes(content))
    return path


def test_a_damaged_frame_and_those_that_build_on_it_are_left_out(root: Path, read: Read):
    broken(make_video(root / "a.mp4", range(0, 5000, 200), gop=5), 7)
    found = read("videos", root / "a.mp4", every=0.2)
    # 7 is damaged, 8 and 9 build on it, 10 is whole again
    kept = [position for position in range(25) if position not in (7, 8, 9)]
    assert times(found) == [f"{0.2 * position:.3f}" for position in kept]
    made = colors(25)
    for path, position in zip(found.paths or [], kept, strict=True):
        assert near(color_of(path), made[position])
    (failure,) = found.failures
    assert failure.sample == "a.mp4"
    assert failure.reason == "3 damaged frames are left out, the first at 1.400 s"
    assert read("videos", root / "a.mp4", every=0.2).failures == found.failures


def test_a_video_that_breaks_off_gives_the_frames_before(root: Path, read: Read):
    path = make_video(root / "a.mkv", range(0, 10_000, 200))
    position, size = packets(path)[12]
    path.write_bytes(path.read_bytes()[: position + size // 2])
    found = read("videos", path, every=1)
    assert times(found) == ["0.000", "1.000", "2.000"]
    assert "frames end at 2." in found.failures[0].reason


def test_what_is_no_video_is_a_failure_and_the_others_go_on(root: Path, read: Read):
    make_video(root / "v/good.mp4", [0, 100])
    (root / "v/empty.mp4").touch()
    (root / "v/text.avi").write_text("not a video at all, but long enough")
    # as ffmpeg would take it, a list of what to open
    (root / "v/list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
    whole = (root / "v/good.mp4").read_bytes()
    (root / "v/half.mp4").write_bytes(whole[: len(whole) // 2])  # what it holds stands at its end
    found = read("videos", root / "v")
    assert found.sample_ids == ["good.mp4@0.000"]
    reasons = {one.sample: one.reason for one in found.failures}
    assert reasons["empty.mp4"] == "the file is empty"
    assert reasons["text.avi"] == reasons["list.mp4"]
    assert reasons["list.mp4"].startswith("not a video that can be read")
    assert len(reasons) == 4 and reasons["half.mp4"]


def test_nothing_but_failures_is_an_error(root: Path, read: Read):
    (root / "a.mp4").write_bytes(b"\0\0\0\x18ftypmp42 and no more")
    with pytest.raises(BadSource, match=r"no frame of 1 videos can be had; a\.mp4: cannot"):
        read("videos", root / "a.mp4")


def test_a_folder_without_videos_is_refused(root: Path, read: Read):
    with pytest.raises(BadSource, match="holds no videos"):
        read("videos", root)


def test_turned_videos_come_upright(root: Path, read: Read):
    picture = np.zeros((48, 64, 3), dtype=np.uint8)
    picture[:, :32] = (200, 0, 0)
    picture[:, 32:] = (0, 0, 200)
    path = make_video(root / "a.mp4", [0, 100], [picture, picture])
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    assert struct.unpack(">9i", content[matrix : matrix + 36])[0] == 0x10000
    one = 0x10000  # to be turned clockwise by 90 degrees
    turned = struct.pack(">9i", 0, one, 0, -one, 0, 0, 48 * one, 0, 0x40000000)
    content[matrix : matrix + 36] = turned
    path.write_bytes(bytes(content))
    with Image.open((read("videos", path).paths or [])[0]) as image:
        assert image.size == (48, 64)
        seen = np.asarray(image)
    assert near(tuple(seen[10, 20].tolist()), (200, 0, 0))
    assert near(tuple(seen[50, 20].tolist()), (0, 0, 200))


@pytest.mark.parametrize("says", ["the truth", "less"])
def test_frames_of_too_many_pixels_are_not_decoded(
    root: Path, read: Read, monkeypatch: pytest.MonkeyPatch, says: str
):
    path = make_video(root / "v/large.mkv", [0, 100], [np.zeros((480, 640, 3), np.uint8)] * 2)
    make_video(root / "v/small.mp4", [0])
    if says == "less":
        content = path.read_bytes()
        lie = content.replace(b"\xb0\x82\x02\x80", b"\xb0\x82\x00\x40")
        assert lie != content
        path.write_bytes(lie.replace(b"\xba\x82\x01\xe0", b"\xba\x82\x00\x30"))
    monkeypatch.setattr(video_file, "MAX_PIXELS", 100_000)
    found = read("videos", root / "v")
    assert found.sample_ids == ["small.mp4@0.000"]
    assert [one.sample for one in found.failures] == ["large.mkv"] * len(found.failures) != []


def test_a_video_gives_no_more_frames_than_the_limit(
    root: Path, read: Read, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(video_source, "MAX_FRAMES", 3)
    make_video(root / "a.mp4", UNEVEN)
    found = read("videos", root / "a.mp4", every=0.001)
    assert times(found) == ["0.000", "0.040", "0.100"]
    assert "more than 3 frames" in found.failures[0].reason


def test_without_pyav_it_is_said_how_to_get_it(
    root: Path, read: Read, monkeypatch: pytest.MonkeyPatch
):
    make_video(root / "a.mp4", [0])
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(BadSource, match="PyAV") as raised:
        read("videos", root / "a.mp4")
    assert raised.value.remedy == how_to_install("video")


def test_videos_outside_the_roots_are_not_opened(root: Path, read: Read, tmp_path: Path):
    make_video(root / "v/a.mp4", [0])
    (root / "v/link.mp4").symlink_to(make_video(tmp_path / "out.mp4", [0]))
    found = read("videos", root / "v")
    assert found.sample_ids == ["a.mp4@0.000"]
    assert "leads out" in found.failures[0].reason
    with pytest.raises(OutsideRoots):
        read("videos", tmp_path / "out.mp4")


def test_a_folder_that_cannot_be_written_is_said(root: Path, tmp_path: Path):
    make_video(root / "a.mp4", [0])
    (tmp_path / "file").touch()
    with pytest.raises(BadSource, match="cannot be written"):
        read_source(
            source("videos", root / "a.mp4"), roots=[root], fetch=Fetcher(tmp_path / "file" / "x")
        )


@pytest.mark.parametrize(
    "options",
    [{"every": 0}, {"every": float("nan")}, {"every": 1e9}, {"frames": 0}, {"frames": 10**6},
     {"every": 1, "frames": 2}, {"frames": 2, "scenes": True}, {"boxes": "voc"}],
)  # fmt: skip
def test_settings_beyond_reason_are_refused(options: dict[str, Any]):
    with pytest.raises(ValidationError):
        source("videos", "a.mp4", **options)


@pytest.mark.parametrize("options", [{"every": 1}, {"frames": 2}, {"scenes": True}])
def test_settings_of_videos_are_for_videos(options: dict[str, Any]):
    with pytest.raises(ValidationError, match="is for kind videos"):
        source("images", "a", **options)


def frames_of(path: Path) -> Iterator[int]:
    with VideoFile(path) as video:
        yield from (frame.ms for frame in video.frames())


def test_times_are_counted_from_the_beginning_and_rise(root: Path):
    path = make_video(root / "a.mkv", [1500, 1600, 1700])
    assert list(frames_of(path)) in ([0, 100, 200], [1500, 1600, 1700])
