"""The sign-in page: trades the token for a signed cookie."""

from urllib.parse import urlsplit

from flask import Blueprint, redirect, render_template, request, session
from werkzeug.wrappers import Response

from al_server.security.access import access

bp = Blueprint("sign_in", __name__)


@bp.get("/sign-in")
def form() -> str | Response:
    """Show the page, or pass on who is in already."""
    target = safe_target(request.args.get("next"))
    if access().is_open or access().is_signed_in():
        return redirect(target, 303)
    return render_template("sign_in.html", next=target, error=None)


@bp.post("/sign-in")
def submit() -> tuple[str, int] | Response:
    """Take the token of the form."""
    target = safe_target(request.form.get("next"))
    token = request.form.get("token", "").strip()
    if access().is_right(token, address=request.remote_addr or ""):
        if not access().is_open:
            access().sign_in()
        return redirect(target, 303)
    return render_template("sign_in.html", next=target, error="This is not the token."), 401


@bp.post("/sign-out")
def sign_out() -> Response:
    """Forget the cookie."""
    if not access().is_open:
        session.clear()
    return redirect("/sign-in", 303)


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
