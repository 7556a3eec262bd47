import os
from pathlib import Path

import pytest

from al_server.config import Settings, load_settings
from al_server.errors import BadInput


def test_defaults_are_loopback_and_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    settings = load_settings({}, environ={})
    assert (settings.host, settings.port, settings.token) == ("127.0.0.1", 9090, None)
    assert settings.data == tmp_path / "data"
    assert settings.roots == (tmp_path / "data",)


def test_later_places_win(tmp_path: Path):
    (tmp_path / "al_server.toml").write_text("port = 1\nthreads = 1\nhost = '127.0.0.2'")
    environ = {"AL_PORT": "2", "AL_THREADS": "2", "OTHER": "x"}
    settings = load_settings({"data": tmp_path, "port": 3, "host": None}, environ=environ)
    assert (settings.port, settings.threads, settings.host) == (3, 2, "127.0.0.2")


def test_a_config_file_may_be_named_by_argument_or_variable(tmp_path: Path):
    for port in (1, 2):
        (tmp_path / f"{port}.toml").write_text(f"port = {port}")
    environ = {"AL_CONFIG": str(tmp_path / "1.toml")}
    assert load_settings({}, environ=environ).port == 1
    assert load_settings({"config": tmp_path / "2.toml"}, environ=environ).port == 2


def test_variables_hold_lists(tmp_path: Path):
    environ = {
        "AL_ROOTS": os.pathsep.join([str(tmp_path / "a"), str(tmp_path / "b")]),
        "AL_FETCH_HOSTS": "a.example, *.b.example",
        "AL_DEMO": "1",
    }
    settings = load_settings({}, environ=environ)
    assert settings.roots == (tmp_path / "a", tmp_path / "b")
    assert settings.fetch_hosts == ("a.example", "*.b.example")
    assert settings.demo


def test_unknown_keys_are_errors_that_list_the_known_ones(tmp_path: Path):
    file = tmp_path / "al_server.toml"
    file.write_text("prot = 1")
    with pytest.raises(BadInput, match=r"al_server.toml: unknown setting 'prot'") as raised:
        load_settings({"data": tmp_path}, environ={})
    assert "did you mean port?" in raised.value.remedy
    assert "max_body_bytes" in raised.value.remedy
    with pytest.raises(BadInput, match="variable AL_TOKNE"):
        load_settings({}, environ={"AL_TOKNE": "secret"})
    with pytest.raises(BadInput, match="arguments"):
        load_settings({"prot": 1}, environ={})


def test_variables_of_clients_and_tests_are_no_settings():
    load_settings({}, environ={"AL_URL": "x", "AL_TEST_DATA": "x", "AL_REQUIRE_BROWSER": "1"})


@pytest.mark.parametrize("content", [b"port = ", b"caf\xe9 = 1"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes):
    file = tmp_path / "my.toml"
    file.write_bytes(content)
    with pytest.raises(BadInput, match=r"my\.toml"):
        load_settings({"config": file}, environ={})
    with pytest.raises(BadInput, match=r"none\.toml"):
        load_settings({"config": tmp_path / "none.toml"}, environ={})


def test_values_that_do_not_fit_say_which_setting():
    with pytest.raises(BadInput, match="setting port"):
        load_settings({}, environ={"AL_PORT": "70000"})


def test_the_token_is_never_shown():
    settings = load_settings({}, environ={"AL_TOKEN": "my-secret"})
    assert "my-secret" not in repr(settings)
    with pytest.raises(BadInput) as raised:
        load_settings({"token": ["my-secret"]}, environ={})
    assert "my-secret" not in raised.value.message + raised.value.remedy


def test_every_setting_is_described():
    assert all(field.description for field in Settings.model_fields.values())
