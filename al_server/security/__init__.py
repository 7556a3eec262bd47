"""Who gets in, and what an answer allows the browser to do.

`hosts` refuses foreign names and foreign pages, `access` asks for the token, `sign_in` trades it
for a cookie, `targets` keeps redirects on this server, `throttle` slows guessing down,
`secret_key` keeps what cookies are signed with, and `headers` goes on every answer.
"""

from flask import Flask

from al_server.config import Settings
from al_server.security import access, headers, hosts, sign_in


def init_app(app: Flask, settings: Settings) -> None:
    """Guard the app; the order is the order in which a request is looked at."""
    hosts.init_app(app, settings)
    access.init_app(app, settings)
    app.register_blueprint(sign_in.bp)
    headers.init_app(app)
