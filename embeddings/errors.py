"""What can go wrong between a sample and its vector, with a message and a remedy."""


class EmbeddingError(Exception):
    """An error that a person should read.

    Parameters
    ----------
    message : str
        What is wrong, and where.
    remedy : str
        What to do about it.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        if remedy:
            self.add_note(f"remedy: {remedy}")  # shown below the message in tracebacks


class Unreadable(EmbeddingError):
    """One sample that cannot be read; the others are not concerned. The message is the reason."""


class EmbedderUnavailable(EmbeddingError):
    """An embedder that cannot work here: weights that are not there or do not fit, say."""


class Interrupted(EmbeddingError):
    """The work was stopped on request; finished batches are in the cache."""
