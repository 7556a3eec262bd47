"""A sample as a browser can show it: images as they are where that works, else as PNG."""

import hashlib
import os
from io import BytesIO
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from flask import Response, request, send_file

from al_server.api.context import settings
from al_server.errors import NotFound, OutsideRoots
from al_server.sources.paths import is_inside
from embeddings.errors import Unreadable
from embeddings.images import load_image
from embeddings.plain_file import open_plain

if TYPE_CHECKING:
    from al_server.campaign.describe import Media

CONVERTED_SIDE = 2048
"""Longest side of a converted image, in pixels."""

LARGE_BITMAP = 2**20
"""Uncompressed bitmaps of more bytes are converted: they cost seconds on a slow line."""

# a few bytes at the start tell what a file is; its name may not
_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"BM", "image/bmp"),
)
_HEADERS = {
    # labels are often private, and a picture does not change under its name
    "Cache-Control": "private, max-age=3600",
    # opened by itself, a hostile file has neither scripts nor our cookies
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Content-Disposition": "inline",
}
# an image may unfold to 200 MB: few at a time
_converting = BoundedSemaphore(2)


def answer(media: "Media", sample_id: str) -> Response:
    """Send a sample, or 304 where the client has it already.

    Raises
    ------
    NotFound
        If its file has gone or cannot be read any more.
    OutsideRoots
        If a link was put in its place that leads out of the folders that may be read.
    """
    try:
        sent = _text(media.text) if media.path is None else _image(inside(media.path))
    except (OSError, RuntimeError, Unreadable) as error:  # RuntimeError: a loop of links
        reason = getattr(error, "message", None) or getattr(error, "strerror", None) or "unreadable"
        raise NotFound(
            f"the file of sample {sample_id!r} cannot be shown: {reason}",
            "put it back where it was when the campaign was made; its labels are safe",
        ) from error
    sent.headers.update(_HEADERS)
    return sent


def inside(path: Path) -> Path:
    """Follow what has become a link since the file was taken in, as far as that is allowed."""
    real = path.resolve(strict=True)
    roots = (*settings().roots, settings().data)
    if real != path and not is_inside(real, roots):
        raise OutsideRoots(
            "the file of this sample is now a link that leads out of the folders that may be read",
            "put the file itself there, or start the server with --root FOLDER",
        )
    return real


def _text(text: str | None) -> Response:
    content = (text or "").encode()
    sent = Response(content, mimetype="text/plain")
    sent.set_etag(hashlib.sha256(content).hexdigest()[:32])
    sent.make_conditional(request)
    return sent


def _image(path: Path) -> Response:
    with open_plain(path) as stream:
        start = stream.read(12)
        size = os.fstat(stream.fileno()).st_size
    kind = _kind(start)
    if kind is None or (kind == "image/bmp" and size > LARGE_BITMAP):
        return _as_png(path)
    return send_file(path, mimetype=kind, conditional=True)


def _kind(start: bytes) -> str | None:
    """Content type of a file that browsers show by themselves, by its first 12 bytes."""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for signature, kind in _SIGNATURES if start.startswith(signature)), None)


def _as_png(path: Path) -> Response:
    stat = path.stat()
    etag = f"png-{stat.st_mtime_ns:x}-{stat.st_size:x}"
    if request.if_none_match.contains(etag):
        known = Response(status=304)
        known.set_etag(etag)
        return known
    written = BytesIO()
    with _converting:
        image = load_image(path)
        image.thumbnail((CONVERTED_SIDE, CONVERTED_SIDE))
        image.save(written, format="PNG", compress_level=1)
    sent = Response(written.getvalue(), mimetype="image/png")
    sent.set_etag(etag)
    return sent
