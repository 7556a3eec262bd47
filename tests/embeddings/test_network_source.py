from pathlib import Path
from typing import Any

import pytest

from embeddings.errors import EmbedderUnavailable
from embeddings.network_source import (
    NetworkSource,
    check_allowed,
    load_network,
    parse_source,
    untrained_network,
)

TRAINED = """
import torch
from pathlib import Path

class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.norm = torch.nn.BatchNorm2d(4)

    def forward(self, shown):
        return self.norm(self.conv(shown)).mean(dim=(2, 3))

def fixed(bias=0.5):
    network = Small()
    for value in network.state_dict().values():
        value.fill_(bias)
    return network

def fresh_norms():
    network = Small()
    network.conv.weight.data.fill_(1)
    network.conv.bias.data.fill_(0)
    return network

def number():
    return 3

def broken():
    raise KeyError("weights")

def needs(path):
    return Small()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(TRAINED)
    return path


def of(file: Path, factory: str) -> NetworkSource:
    return parse_source(f"{file}:{factory}")


def saved(path: Path, **changed: Any) -> Path:
    import torch

    shapes = {"conv.weight": (4, 3, 3, 3), **dict.fromkeys(
        ("conv.bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"), (4,)
    )}  # fmt: skip
    weights = {key: torch.full(shape, 0.25) for key, shape in shapes.items()} | changed
    torch.save({key: value for key, value in weights.items() if value is not None}, path)
    return path


def test_the_three_forms_of_a_name() -> None:
    assert parse_source("timm/resnet18") == NetworkSource("timm", "resnet18")
    assert parse_source("a b/own.py:Net") == NetworkSource("file", "a b/own.py", "Net")
    assert parse_source("timm/own.py:Net") == NetworkSource("file", "timm/own.py", "Net")
    assert parse_source("C:\\nets\\own.py:Net") == NetworkSource("file", "C:\\nets\\own.py", "Net")
    assert parse_source("mine.nets:Net") == NetworkSource("module", "mine.nets", "Net")
    for bad in (
        "",
        "timm/",
        "own.py",
        "own.py:",
        ":Net",
        "own.py:a.b",
        "nets/own.pth:Net",
        "a-b:c",
    ):
        with pytest.raises(EmbedderUnavailable, match="names no network") as caught:
            parse_source(bad)
        assert "FILE.py:FACTORY" in caught.value.remedy


def test_a_server_runs_only_what_its_operator_named(tmp_path: Path) -> None:
    inside, outside = tmp_path / "nets" / "deep", tmp_path / "nets2"
    inside.mkdir(parents=True)
    outside.mkdir()
    (inside / "link.py").symlink_to(outside / "own.py")
    allowed = [str(tmp_path / "nets"), "module:mine.nets"]
    for good in ("timm/resnet18", f"{inside}/own.py:Net", "mine.nets:Net", "mine.nets.deep:Net"):
        check_allowed(parse_source(good), allowed)
    for bad in (
        f"{outside}/own.py:Net",
        f"{inside}/../../nets2/own.py:Net",
        f"{inside}/link.py:Net",
        "own.py:Net",
        "mine:Net",
        "mine.nets2:Net",
        "os:abort",
    ):
        for some in (allowed, [], ["module:"], [""]):
            with pytest.raises(EmbedderUnavailable, match="does not run the code") as caught:
                check_allowed(parse_source(bad), some)
            assert "AL_NETWORKS" in caught.value.remedy


def test_a_network_with_weights_of_its_own_is_taken(file: Path) -> None:
    network = load_network(of(file, "fixed"), None)
    assert float(network.model.conv.weight.detach().mean()) == 0.5
    again = load_network(of(file, "fixed"), None)
    assert again.code == network.code
    file.write_text(TRAINED.replace("mean(", "sum("))
    assert load_network(of(file, "fixed"), None).code != network.code


def test_random_and_untrained_networks_are_refused(file: Path) -> None:
    with pytest.raises(EmbedderUnavailable, match=r"Small makes .* they are random") as caught:
        load_network(of(file, "Small"), None)
    assert "--checkpoint" in caught.value.remedy
    with pytest.raises(EmbedderUnavailable, match="fresh_norms returns were never trained"):
        load_network(of(file, "fresh_norms"), None)
    assert untrained_network(of(file, "Small")).conv.out_channels == 4


def test_a_class_with_a_checkpoint(file: Path, tmp_path: Path) -> None:
    weights = saved(tmp_path / "weights.pth")
    model = load_network(of(file, "Small"), weights).model
    assert float(model.norm.running_var.mean()) == 0.25


def test_a_checkpoint_that_does_not_fit_names_the_keys(file: Path, tmp_path: Path) -> None:
    import torch

    cases: list[tuple[dict[str, Any], str]] = [
        ({"conv.bias": None}, "missing: conv.bias"),
        ({"head.weight": torch.ones(3)}, "unexpected: head.weight"),
        ({"norm.bias": torch.ones(5)}, "of another shape: norm.bias"),
    ]
    for changed, told in cases:
        with pytest.raises(EmbedderUnavailable, match=rf"odd\.pth does not fit.*{told}"):
            load_network(of(file, "Small"), saved(tmp_path / "odd.pth", **changed))


def test_what_is_not_there_or_no_network_is_told(file: Path, tmp_path: Path) -> None:
    cases = {
        f"{tmp_path}/gone.py:Net": "there is no file",
        f"{file}:Smal": "no function or class 'Smal'",
        f"{file}:Path": "no function or class 'Path'",  # imported there, not defined
        f"{file}:number": "returns int, not a torch.nn.Module",
        f"{file}:broken": r"own\.py, line \d+\): KeyError: 'weights'",
        f"{file}:needs": "TypeError.*path",
        "no_such_package.nets:Net": "ModuleNotFoundError",
        "json:loads": "returns|TypeError",
    }
    for text, told in cases.items():
        with pytest.raises(EmbedderUnavailable, match=told) as caught:
            load_network(parse_source(text), None)
        assert caught.value.remedy
    with pytest.raises(EmbedderUnavailable) as caught:
        load_network(of(file, "Smal"), None)
    assert "Small" in caught.value.remedy and "Path" not in caught.value.remedy


def test_a_file_that_cannot_be_run_says_which_line(tmp_path: Path) -> None:
    for code, told in (("x = 1\nx +", "SyntaxError"), ("x = 1\n1 / 0", r"bad\.py, line 2\): Zero")):
        (tmp_path / "bad.py").write_text(code)
        with pytest.raises(EmbedderUnavailable, match=told):
            load_network(of(tmp_path / "bad.py", "Net"), None)
    (tmp_path / "bad.py").write_text("raise SystemExit(3)")
    with pytest.raises(EmbedderUnavailable, match="SystemExit"):
        load_network(of(tmp_path / "bad.py", "Net"), None)
