"""What can go wrong in the loop, each with an HTTP status, a code and a remedy.

A caller's wrong argument inside the process is a ``ValueError``; everything that a person or a
client of the server should read is an ``ALError``.
"""

from typing import ClassVar


class ALError(Exception):
    """An error meant for the one who asked: what happened, where, and what to do.

    Parameters
    ----------
    message : str
        What is wrong, and where.
    remedy : str
        What to do about it.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        if remedy:
            self.add_note(f"remedy: {remedy}")  # shown below the message in tracebacks


class BadInput(ALError):
    """A value that cannot be used."""

    status, code = 422, "bad_input"


class BadSource(ALError):
    """Samples that cannot be taken in."""

    status, code = 422, "bad_source"


class OutsideRoots(ALError):
    """A path that leads out of the folders that may be read."""

    status, code = 403, "outside_roots"


class NotSignedIn(ALError):
    """No token, or a wrong one."""

    status, code = 401, "not_signed_in"


class Forbidden(ALError):
    """A foreign Host or Origin, or a missing CSRF token: this server does not answer."""

    status, code = 403, "forbidden"


class NotFound(ALError):
    """Nothing of that name here."""

    status, code = 404, "not_found"


class UnknownCampaign(NotFound):
    """No campaign of that name."""

    code = "unknown_campaign"


class UnknownSample(NotFound):
    """No sample of that id in the campaign's pool."""

    code = "unknown_sample"


class UnknownClass(ALError):
    """A label that is not one of the campaign's classes."""

    status, code = 422, "unknown_class"


class UnknownPlugin(ALError):
    """No strategy, embedder or integration of that name."""

    status, code = 422, "unknown_plugin"


class AlreadyExists(ALError):
    """A name that is taken."""

    status, code = 409, "already_exists"


class NotReady(ALError):
    """A campaign that is still preparing, or whose preparation failed."""

    status, code = 409, "not_ready"


class Busy(ALError):
    """One of these is running already, and there is one at a time."""

    status, code = 409, "busy"


class NothingToUndo(ALError):
    """No answer of this annotator to take back."""

    status, code = 409, "nothing_to_undo"


class KeyReused(ALError):
    """An idempotency key that came with another answer before."""

    status, code = 409, "key_reused"


class TooLarge(ALError):
    """A request over the size limit."""

    status, code = 413, "too_large"


class DataFolderInUse(ALError):
    """Another server works on this data folder."""

    status, code = 409, "data_folder_in_use"


class StorageFull(ALError):
    """The disk is full; nothing was recorded."""

    status, code = 507, "storage_full"


class StorageUnavailable(ALError):
    """The database does not answer; nothing was recorded."""

    status, code = 503, "storage_unavailable"


class StrategyFailed(ALError):
    """The strategy could not choose; answers are taken all the same."""

    status, code = 409, "strategy_failed"
