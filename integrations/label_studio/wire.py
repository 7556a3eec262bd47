"""Signed requests to one Label Studio, each with a time-out and one clear error."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from al_server.errors import BadInput
from integrations.label_studio.errors import (
    LabelStudioDown,
    LabelStudioRefused,
    refusal,
    stranger,
)

if TYPE_CHECKING:
    import httpx

USUAL_S = 20.0
BULK_S = 300.0


class Wire:
    """The way to one Label Studio for one of its users. Safe for several threads.

    Parameters
    ----------
    url : address of Label Studio
    token : the user's legacy token or personal access token; the SDK tells them apart
    """

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise BadInput(f"{url} is no address", "such as http://127.0.0.1:8080")
        self.url = url.rstrip("/")
        self._token = token
        self._sdk_client: Any = None

    def close(self) -> None:
        """Let go of the connections."""
        if self._sdk_client is not None:
            self._sdk_client.httpx_client.httpx_client.close()

    def authorization(self) -> str:
        """Return the header that shows who we are, fresh where tokens expire."""
        with self._translated():
            return str(self._sdk().get_headers()["Authorization"])

    def ask_dict(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        """Ask what is answered by an object; parameters as for `ask`."""
        answer = self.ask(method, path, **content)
        if not isinstance(answer, dict):
            raise stranger(self.url)
        return answer

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | Sequence[Any] | None = None,
        timeout_s: float = USUAL_S,
    ) -> Any:
        """Send a request and return the answer's JSON; None where it is empty.

        Raises
        ------
        LabelStudioError
        """
        with self._translated():
            answer: httpx.Response = self._sdk().httpx_client.request(
                path,
                method=method,
                params=params,
                json=body,
                # an annotator may be waiting, and what failed is made good by reconciliation
                request_options={"timeout": timeout_s, "max_retries": 0},
            )
        if not answer.is_success:
            raise refusal(answer, self.url)
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise stranger(self.url) from error

    def _sdk(self) -> Any:
        """Return the part of the SDK that signs and sends requests."""
        if self._sdk_client is None:
            import httpx
            from label_studio_sdk import LabelStudio

            wire = httpx.Client(timeout=USUAL_S, trust_env=not _is_here(self.url))
            # its typed calls refuse what other editions answer, and cost seconds for 10,000 tasks
            make: Any = LabelStudio  # its constructor carries no types
            sdk = make(base_url=f"{self.url}/", api_key=self._token, httpx_client=wire)
            self._sdk_client = sdk._client_wrapper
        return self._sdk_client

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import httpx
        from label_studio_sdk.core.api_error import ApiError

        try:
            yield
        except ApiError as error:  # a personal token that cannot be traded for a fresh one
            raise LabelStudioRefused(
                f"{self.url} does not accept the token",
                "copy it anew from Account & Settings in Label Studio",
                http_status=error.status_code or 401,
            ) from error
        except httpx.TimeoutException as error:
            raise LabelStudioDown(
                f"Label Studio at {self.url} does not answer in time", "try again when it is back"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise LabelStudioDown(
                f"no Label Studio answers at {self.url}: {error}", "start it, or mend the address"
            ) from error


def _is_here(url: str) -> bool:
    from al_server.security.hosts import is_loopback

    return is_loopback(urlsplit(url).hostname or "")
