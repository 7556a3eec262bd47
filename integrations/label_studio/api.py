"""The integration's own endpoints: connect, look, reconcile, disconnect."""

from flask import Blueprint

from al_server.api import PREFIX
from al_server.api.operation import operation
from integrations.label_studio.hub import Hub
from integrations.label_studio.models import ConnectIn, ConnectionInfo, Connections


def make_blueprint(hub: Hub) -> Blueprint:
    """Return the endpoints."""
    prefix = f"{PREFIX}/integrations/label-studio"
    bp = Blueprint("label_studio", __name__, url_prefix=prefix)

    @bp.post("/connections")
    @operation(status=202)
    def connect(body: ConnectIn) -> ConnectionInfo:
        """Connect a project of Label Studio.

        Tasks are taken in and the project is set up in the background; ask for the connection
        until its state is `connected` or `failed`.
        """
        return hub.connect(body)

    @bp.get("/connections")
    @operation()
    def index() -> Connections:
        """List the connected projects."""
        return Connections(connections=hub.infos())

    @bp.get("/connections/<name>")
    @operation()
    def show(name: str) -> ConnectionInfo:
        """Show a connection: its queue, lag, missed events, and what is wrong."""
        return hub.info(name)

    @bp.post("/connections/<name>/reconcile")
    @operation(status=202)
    def reconcile(name: str) -> ConnectionInfo:
        """Make the campaign equal to Label Studio, and put the project's settings right.

        Runs in the background; `reconciled_at` tells when it was done.
        """
        return hub.reconcile(name)

    @bp.delete("/connections/<name>")
    @operation()
    def disconnect(name: str) -> ConnectionInfo:
        """Leave the project as it was found; annotations and the campaign stay.

        Where that takes long, or Label Studio is down, it goes on in the background; ask for the
        connection until its state is `disconnected`.
        """
        return hub.disconnect(name)

    return bp
