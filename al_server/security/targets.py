"""Where a person may be sent on to: nowhere but this server."""

from urllib.parse import urlsplit


def safe_target(target: str | None) -> str:
    """Return a path on this server to go on to; the start page where `target` is none.

    Browsers read a backslash as a slash, skip tabs and line breaks, and take ``//name`` for
    another server.
    """
    if not target or not target.startswith("/") or target.startswith("//"):
        return "/"
    if "\\" in target or any(ord(character) < 0x21 for character in target):
        return "/"
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or parts.path.startswith("/sign-"):
        return "/"
    return target
