"""What can go wrong with Label Studio, each as one clear line."""

from typing import TYPE_CHECKING

from al_server.errors import ALError

if TYPE_CHECKING:
    import httpx


class LabelStudioError(ALError):
    """Label Studio did not do what it was asked."""

    status, code = 502, "label_studio"


class LabelStudioDown(LabelStudioError):
    """It does not answer, or not in time."""

    code = "label_studio_down"


class LabelStudioRefused(LabelStudioError):
    """It answered, and said no."""

    code = "label_studio_refused"

    def __init__(self, message: str, remedy: str = "", *, http_status: int) -> None:
        super().__init__(message, remedy)
        self.http_status = http_status


def refusal(answer: "httpx.Response", url: str) -> LabelStudioError:
    """Return what an error answer of Label Studio means."""
    status = answer.status_code
    said = _said(answer)
    if status >= 500:
        return LabelStudioDown(
            f"Label Studio at {url} answers {status}{said}", "its own log says why; try again"
        )
    if status == 401:
        message, remedy = (
            f"{url} does not accept the token",
            "copy it anew from Account & Settings, and connect with it",
        )
        return LabelStudioRefused(message + said, remedy, http_status=status)
    if status == 404:
        where = answer.request.url.path
        remedy = "check --project and --url, and that the token's user may see it"
        return LabelStudioRefused(f"{url} has nothing at {where}{said}", remedy, http_status=status)
    if "reserved network" in said:
        remedy = (
            "start Label Studio with SSRF_PROTECTION_ENABLED=false and ML_BLOCK_LOCAL_IP=false, "
            "or give this server an address that is not private"
        )
        return LabelStudioRefused(f"Label Studio refuses{said}", remedy, http_status=status)
    if "connect to ML backend" in said:
        message = "Label Studio cannot reach this server under the address it was given"
        remedy = (
            "name the right one with --backend-url, as seen from Label Studio's machine; private "
            "addresses need SSRF_PROTECTION_ENABLED=false and ML_BLOCK_LOCAL_IP=false there"
        )
        return LabelStudioRefused(message, remedy, http_status=status)
    if answer.is_redirect:
        remedy = f"give the address it leads to: {answer.headers['location']}"
    elif status == 403:
        remedy = "use the token of a user who may change the project"
    else:
        remedy = "its own log says why"
    return LabelStudioRefused(f"Label Studio answers {status}{said}", remedy, http_status=status)


def _said(answer: "httpx.Response") -> str:
    """Return what an error answer says, as one short line."""
    try:
        body = answer.json()
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return f": {body}"[:300]
    findings = body.get("validation_errors") or body.get("detail") or ""
    if isinstance(findings, dict):
        findings = "; ".join(
            f"{key}: {' '.join(map(str, said)) if isinstance(said, list) else said}"
            for key, said in findings.items()
        )
    return f": {' '.join(str(findings).split())}"[:400] if findings else ""


def stranger(url: str) -> LabelStudioError:
    """Return the error for what answers, but not as Label Studio does."""
    return LabelStudioError(f"what answers at {url} is no Label Studio", "mend the address")
