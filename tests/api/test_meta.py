"""What the server says about itself."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client.parser import text_string_to_metric_families

from al_server.campaigns import CampaignRegistry
from tests.api.conftest import MakeApp, MakeCampaign

PROMISED = {
    "/healthz": {"get"},
    "/readyz": {"get"},
    "/metrics": {"get"},
    "/openapi.json": {"get"},
    "/api/v1/campaigns": {"get", "post"},
    "/api/v1/campaigns/{name}": {"get"},
    "/api/v1/campaigns/{name}/progress": {"get"},
    "/api/v1/campaigns/{name}/classes": {"post"},
    "/api/v1/campaigns/{name}/samples": {"post"},
    "/api/v1/campaigns/{name}/next": {"get"},
    "/api/v1/campaigns/{name}/reembed": {"get", "post", "delete"},
    "/api/v1/campaigns/{name}/labels": {"post"},
    "/api/v1/campaigns/{name}/labels/{sample_id}": {"delete"},
    "/api/v1/campaigns/{name}/predict": {"post"},
    "/api/v1/campaigns/{name}/samples/{sample_id}": {"get"},
    "/api/v1/campaigns/{name}/samples/{sample_id}/media": {"get"},
    "/api/v1/campaigns/{name}/samples/{sample_id}/similar": {"get"},
    "/api/v1/campaigns/{name}/predictions": {"put", "delete"},
    "/api/v1/campaigns/{name}/comparisons": {"get", "post"},
    "/api/v1/campaigns/{name}/comparisons/{number}": {"get", "delete"},
    "/api/v1/campaigns/{name}/comparisons/{number}/report": {"get"},
    "/api/v1/campaigns/{name}/curation": {"get", "post", "delete"},
    "/api/v1/campaigns/{name}/curation/kept.txt": {"get"},
    "/api/v1/campaigns/{name}/curation/removed.csv": {"get"},
    "/api/v1/campaigns/{name}/curation/insights.html": {"get"},
    "/api/v1/campaigns/{name}/export": {"get"},
    "/api/v1/integrations/label-studio/connections": {"get", "post"},
    "/api/v1/integrations/label-studio/connections/{name}": {"get", "delete"},
    "/api/v1/integrations/label-studio/connections/{name}/reconcile": {"post"},
}


@pytest.fixture
def description(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json
    return found


def test_the_description_is_valid_openapi_3_1(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(description).validate()


def test_the_description_has_every_operation_and_no_other(description: dict[str, Any]) -> None:
    assert {path: set(methods) for path, methods in description["paths"].items()} == PROMISED


def test_the_description_comes_from_the_models(description: dict[str, Any]) -> None:
    create = description["paths"]["/api/v1/campaigns"]["post"]
    body = create["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/CampaignSpec"}
    spec = description["components"]["schemas"]["CampaignSpec"]
    assert spec["required"] == ["name", "classes", "source"]
    assert spec["additionalProperties"] is False
    assert set(create["responses"]) == {"201", "default"}


def test_every_operation_says_what_it_does_and_what_its_errors_look_like(
    description: dict[str, Any],
) -> None:
    operations = [one for methods in description["paths"].values() for one in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    for one in operations:
        assert one["summary"].endswith(".")
        schema = one["responses"]["default"]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/ErrorOut"}


def test_query_parameters_are_described_with_their_limits(description: dict[str, Any]) -> None:
    parameters = description["paths"]["/api/v1/campaigns/{name}/next"]["get"]["parameters"]
    n = next(one for one in parameters if one["name"] == "n")
    assert n["in"] == "query"
    assert not n["required"]
    assert (n["schema"]["minimum"], n["schema"]["maximum"], n["schema"]["default"]) == (1, 1000, 1)


def test_health_and_readiness_are_told(
    client: FlaskClient, registry: CampaignRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/healthz").json == {"status": "ok"}
    assert client.get("/readyz").json == {"ready": True}
    monkeypatch.setattr(registry, "is_ready", lambda: False)
    waiting = client.get("/readyz")
    assert (waiting.status_code, waiting.json["error"]["code"]) == (503, "still_opening")
    assert client.get("/healthz").status_code == 200


def metrics(client: FlaskClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = client.get("/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_by_route_and_status(client: FlaskClient) -> None:
    for sample_id in ("a", "plain", "none"):
        client.get(f"/api/v1/campaigns/fruits/samples/{sample_id}")
    client.get("/wrong/1")
    client.get("/wrong/2")
    client.open("/healthz", method="BREW")
    found = metrics(client)
    route = "/api/v1/campaigns/<name>/samples/<sample_id:sample_id>"

    def count(method: str, route: str, status: str) -> float:
        labels = (("method", method), ("route", route), ("status", status))
        return found["al_server_http_requests_total", labels]

    assert count("GET", route, "200") == 2
    assert count("GET", route, "404") == 1
    assert count("GET", "unmatched", "404") == 2
    assert count("other", "unmatched", "405") == 1
    seconds = "al_server_http_request_seconds_count"
    assert found[seconds, (("method", "GET"), ("route", route))] == 3


def test_campaigns_are_measured_as_they_stand(
    client: FlaskClient, make_campaign: MakeCampaign
) -> None:
    name = make_campaign()
    of_it = (("campaign", name),)
    before = metrics(client)
    assert before["al_server_campaign_samples", of_it] == 16
    assert before["al_server_campaign_labeled", of_it] == 0
    assert before["al_server_campaign_ready", of_it] == 1
    labels = [{"sample_id": "a", "label": "pear"}, {"sample_id": "plain", "label": None}]
    client.post(f"/api/v1/campaigns/{name}/labels", json={"labels": labels})
    client.get(f"/api/v1/campaigns/{name}/next?n=3")
    after = metrics(client)
    assert after["al_server_campaign_labeled", of_it] == 1
    assert after["al_server_campaign_skipped", of_it] == 1
    assert after["al_server_campaign_pending", of_it] == 3


def test_two_apps_in_one_process_count_apart(make_app: MakeApp) -> None:
    first, second = make_app().test_client(), make_app().test_client()
    first.get("/healthz")
    health = (("method", "GET"), ("route", "/healthz"), ("status", "200"))
    assert ("al_server_http_requests_total", health) in metrics(first)
    assert ("al_server_http_requests_total", health) not in metrics(second)
