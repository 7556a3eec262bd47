"""Lets a request in by token or by the cookie of the sign-in page."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar, TypeVar, cast

from flask import Flask, current_app, redirect, request, session, url_for
from markupsafe import escape
from werkzeug.wrappers import Response

from al_server.api.error_answers import asks_for_page
from al_server.config import Settings
from al_server.errors import BadInput, Forbidden, NotSignedIn
from al_server.security.hosts import SAFE_METHODS, is_loopback
from al_server.security.secret_key import load_secret_key
from al_server.security.targets import safe_target
from al_server.security.throttle import Throttle

CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf_token"
# probes of an orchestrator have no token and learn nothing; a person must reach the sign-in page
OPEN_ENDPOINTS = frozenset({"meta.healthz", "meta.readyz", "sign_in.form", "sign_in.submit"})
_EXTENSION = "al_server.access"
_GUARDS_ITSELF = "al_guards_itself"
_View = TypeVar("_View", bound=Callable[..., Any])
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class TokenNeeded(NotSignedIn):
    """No token, or a wrong one; tells programs how to send it."""

    headers: ClassVar = {"WWW-Authenticate": 'Bearer realm="al_server"'}

    def __init__(self, message: str) -> None:
        super().__init__(message, "send it as `Authorization: Bearer TOKEN`, or open /sign-in")


class Access:
    """The token of a server and who has shown it.

    Parameters
    ----------
    token : what a client must show; None lets everyone in
    secret_key : what cookies are signed with
    throttle : counts wrong tokens

    Raises
    ------
    BadInput
        If the token is empty or blank: whoever sends nothing would have shown it.
    """

    def __init__(self, token: str | None, *, secret_key: bytes, throttle: Throttle) -> None:
        if token is not None and not token.strip():
            raise BadInput("the token is empty", "set AL_TOKEN to a long random text")
        self._digest = None if token is None else _digest(token)
        self._secret_key = secret_key
        self._throttle = throttle

    @property
    def is_open(self) -> bool:
        """Whether everyone is let in."""
        return self._digest is None

    def is_right(self, given: str, *, address: str) -> bool:
        """Compare a token in constant time; raise `TooManyTries` for who has guessed too often.

        Guesses are counted before they are looked at: a throttle that lets the right guess through
        would guard nothing.
        """
        if self._digest is None:
            return True
        self._throttle.check(address)
        digest = _digest(given)
        if hmac.compare_digest(digest, self._digest):
            return True
        self._throttle.wrong(address, digest)
        return False

    def sign_in(self) -> None:
        """Remember in the session that the token was right."""
        session.clear()
        session["token_mark"] = self._mark()
        session["csrf"] = secrets.token_urlsafe(32)
        session.permanent = True

    def is_signed_in(self) -> bool:
        """Whether the session has shown the token that holds now, not an earlier one."""
        mark = session.get("token_mark")
        return isinstance(mark, str) and hmac.compare_digest(mark.encode(), self._mark().encode())

    def _mark(self) -> str:
        # a cookie is signed but can be read: the token's own digest must not be in it
        return hmac.new(self._secret_key, self._digest or b"", hashlib.sha256).hexdigest()


def access() -> Access:
    """Return the guard of the app that answers this request."""
    return cast(Access, current_app.extensions[_EXTENSION])


def csrf_token() -> str:
    """Return what unsafe requests of our own pages carry; empty where no cookie is needed."""
    return "" if access().is_open else str(session.get("csrf", ""))


def guards_itself(view: _View) -> _View:
    """Mark a view that looks at its callers' credentials itself: the server's token is not asked.

    For systems outside that call us with a secret of their own.
    """
    setattr(view, _GUARDS_ITSELF, True)
    return view


def init_app(app: Flask, settings: Settings) -> None:
    """Ask every request for the token, where there is one.

    Raises
    ------
    BadInput
        If the server would listen beyond loopback without a token.
    """
    if settings.token is None and not is_loopback(settings.host):
        raise BadInput(
            f"{settings.host} can be reached from other machines, and there is no token",
            "set AL_TOKEN, or listen on 127.0.0.1",
        )
    key = load_secret_key(settings.data)
    app.secret_key = key
    app.config.update(
        # cookies do not know ports: two servers on one machine must not share one
        SESSION_COOKIE_NAME=f"al_server_{settings.port}",
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=timedelta(days=30),
    )
    app.extensions[_EXTENSION] = Access(settings.token, secret_key=key, throttle=Throttle())
    app.before_request(_let_in)
    app.context_processor(_for_templates)


def _for_templates() -> dict[str, object]:
    signed_in = not access().is_open and access().is_signed_in()
    return {"csrf_token": csrf_token(), "signed_in": signed_in}


def _let_in() -> Response | None:
    endpoint = request.endpoint or ""
    if access().is_open or endpoint in OPEN_ENDPOINTS or endpoint.endswith(".static"):
        return None
    if getattr(current_app.view_functions.get(endpoint), _GUARDS_ITSELF, False):
        return None
    given = _bearer()
    if given is not None:
        if access().is_right(given, address=request.remote_addr or ""):
            return None
        raise TokenNeeded("the token is wrong")
    if access().is_signed_in():
        _check_csrf()
        return None
    if asks_for_page():
        return _lead_in()
    raise TokenNeeded("this server needs a token")


def _lead_in() -> Response:
    """Lead a person to the sign-in page, and from there back."""
    here = request.full_path.removesuffix("?") if request.method == "GET" else None
    if here is not None and request.headers.get("Sec-Fetch-Site") == "cross-site":
        # who follows a link from another site does not send a strict cookie; a page of ours does
        again = f'<meta http-equiv="refresh" content="0;url={escape(safe_target(here))}">'
        return Response(f"<!doctype html>{again}<title>al_server</title>", mimetype="text/html")
    return redirect(url_for("sign_in.form", next=here), 303)


def _bearer() -> str | None:
    sent = request.authorization
    return sent.token if sent is not None and sent.type == "bearer" else None


def _check_csrf() -> None:
    if request.method in SAFE_METHODS:
        return
    sent = request.headers.get(CSRF_HEADER)
    if sent is None and request.mimetype in _FORMS:
        sent = request.form.get(CSRF_FIELD)
    expected = csrf_token()
    if not expected or not hmac.compare_digest((sent or "").encode(), expected.encode()):
        raise Forbidden(
            f"the {CSRF_HEADER} header is missing or wrong",
            "reload the page; programs send the token as a Bearer header instead of a cookie",
        )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
