import time

from flask import Flask

from tests.api.conftest import MakeApp, MakeCampaign


def settled(app: Flask, path: str):  # type: ignore[no-untyped-def]
    give_up = time.monotonic() + 60
    while (info := app.test_client().get(path).get_json())["state"] == "running":
        assert time.monotonic() < give_up
        time.sleep(0.005)
    return info


def test_vectors_are_compared_in_the_background_and_taken_on_demand(
    make_app: MakeApp, make_campaign: MakeCampaign
):
    app, name = make_app(), make_campaign()
    path = f"/api/v1/campaigns/{name}/reembed"
    client = app.test_client()
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404
    answer = client.post(path, json={"reduce": "svd:2"})
    assert (answer.status_code, answer.get_json()["state"]) == (202, "running")
    info = settled(app, path)
    assert (info["state"], info["switched"], info["n_features"]) == ("done", False, 2)
    assert info["compared"]["verdict"] == "undecided"
    assert client.get(f"/api/v1/campaigns/{name}").get_json()["n_features"] == 3
    client.post(path, json={"reduce": "svd:2", "switch": "always"})
    assert settled(app, path)["switched"] is True
    shown = client.get(f"/api/v1/campaigns/{name}").get_json()
    assert (shown["n_features"], shown["reduce"]) == (2, "svd:2")


def test_what_cannot_be_is_refused_with_a_remedy(make_app: MakeApp, make_campaign: MakeCampaign):
    client, name = make_app().test_client(), make_campaign()
    for body in ({}, {"reduce": "pac:2"}, {"reduce": "svd:2", "switch": "maybe"}):
        answer = client.post(f"/api/v1/campaigns/{name}/reembed", json=body)
        assert answer.status_code == 422 and answer.get_json()["error"]["remedy"]
