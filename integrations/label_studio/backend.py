"""The ML-backend protocol of Label Studio, for all connected projects at one address.

Which project calls is told by the user of its secret. Nothing here ever fails towards Label
Studio once a caller is known: an annotator would wait for it, and reconciliation mends it.
"""

import logging
from collections.abc import Callable
from typing import Any, Protocol

from flask import Blueprint, Response, request

from al_server.api.json_bodies import answer_json, read_json
from al_server.errors import ALError, NotSignedIn
from al_server.security.access import guards_itself
from integrations.label_studio.connection import QUEUE_VERSION
from integrations.label_studio.link import Link

PREFIX = "/label-studio"
_log = logging.getLogger(__name__)


class SecretNeeded(NotSignedIn):
    """A caller that is no project of ours."""

    headers = {"WWW-Authenticate": 'Basic realm="al_server"'}  # noqa: RUF012


class Doors(Protocol):
    """Who may come in."""

    def link_of(self, name: str, secret: str) -> tuple[bool, Link | None]:
        """Return whether the secret is right, and the link, where it is running."""
        ...


def make_blueprint(doors: Doors) -> Blueprint:
    """Return the addresses that Label Studio calls."""
    bp = Blueprint("label_studio_backend", __name__, url_prefix=PREFIX)

    def caller() -> Link | None:
        given = request.authorization
        if given is not None and given.type == "basic":
            known, link = doors.link_of(given.username or "", given.password or "")
            if known:
                return link
        raise SecretNeeded(
            "this address is for connected projects of Label Studio",
            "connect the project: al-server label-studio connect",
        )

    def safely(run: Callable[[Link], Any], otherwise: Any) -> Any:
        link = caller()
        if link is None:
            return otherwise
        try:
            return run(link)
        except Exception:
            _log.exception("%s: %s", link.record.campaign, request.path)
            return otherwise

    def body() -> dict[str, Any]:
        try:
            sent = read_json(request)
        except ALError as error:
            _log.warning("%s: %s", request.path, error)
            return {}
        return sent if isinstance(sent, dict) else {}

    def health() -> Response:
        """Say that we are there."""
        caller()
        return answer_json({"status": "UP", "model_class": "al_server"})

    def setup() -> Response:
        """Say which version predictions have now. The body holds a token, and is not looked at."""
        version = safely(lambda link: link.live_version(), QUEUE_VERSION)
        return answer_json({"model_version": version})

    def predict() -> Response:
        """Predict the tasks of the body."""
        link = caller()
        sent = body().get("tasks")
        tasks = [one for one in sent if isinstance(one, dict)] if isinstance(sent, list) else []
        nothing = [{"result": [], "score": 0.0} for _ in tasks]
        results = nothing if link is None else safely(lambda link: link.predict(tasks), nothing)
        return answer_json({"results": results})

    def webhook() -> Response:
        """Take news in."""
        caller()
        news = body()
        safely(lambda link: link.event(news), None)
        return answer_json({"status": "ok"})

    def versions() -> Response:
        """Say which versions there are."""
        version = safely(lambda link: link.live_version(), None)
        return answer_json({"versions": [QUEUE_VERSION, *([version] if version else [])]})

    for path, view, method in (
        ("/", health, "GET"),
        ("/health", health, "GET"),
        ("/setup", setup, "POST"),
        ("/predict", predict, "POST"),
        ("/webhook", webhook, "POST"),
        ("/versions", versions, "GET"),
    ):
        name = path.strip("/") or "index"
        bp.add_url_rule(path, name, guards_itself(view), methods=[method])
    return bp
