"""The sign-in page: trades the token for a signed cookie."""

from flask import Blueprint, redirect, render_template, request, session
from werkzeug.wrappers import Response

from al_server.security.access import access
from al_server.security.targets import safe_target

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
