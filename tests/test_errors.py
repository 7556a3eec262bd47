import pickle
import traceback

import pytest

from al_server.errors import ALError, BadInput
from embeddings.errors import EmbedderUnavailable, EmbeddingError


@pytest.mark.parametrize("kind", [BadInput, EmbedderUnavailable])
def test_a_traceback_shows_the_remedy_once_and_the_message_is_as_it_was(
    kind: type[ALError | EmbeddingError],
) -> None:
    error = kind("the box is open", "close it")
    for one in (error, pickle.loads(pickle.dumps(error))):
        shown = "".join(traceback.format_exception(one))
        assert shown.endswith("the box is open\nremedy: close it\n")
        assert shown.count("close it") == 1
        assert str(one) == "the box is open"
    assert "remedy" not in "".join(traceback.format_exception(kind("the box is open")))
