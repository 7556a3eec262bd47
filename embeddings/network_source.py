"""Where a network of one's own comes from: a file, an import path, or timm.

To load a file or a package is to run it. On the command line that is the user's own wish; a server
asks `check_allowed` first.
"""

import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

from embeddings.errors import EmbedderUnavailable
from embeddings.image_network import fingerprint
from embeddings.timm_weights import check_trained, fit_checkpoint, read_checkpoint
from embeddings.torchvision_cure import cure_torchvision

MODULE_PREFIX = "module:"
_FORMS = "timm/MODEL, FILE.py:FACTORY or package.module:FACTORY"


class NetworkSource(NamedTuple):
    """A network by name.

    Attributes
    ----------
    kind : {"timm", "file", "module"}
    place : name of the timm network, path of the file, or dotted name of the module
    factory : name of what makes the network; empty with timm
    """

    kind: Literal["timm", "file", "module"]
    place: str
    factory: str = ""


class OwnNetwork(NamedTuple):
    """A network that somebody's code made, and a hash of that code."""

    model: Any
    code: str


def parse_source(text: str) -> NetworkSource:
    """Read ``timm/MODEL``, ``FILE.py:FACTORY`` or ``package.module:FACTORY``; nothing is loaded."""
    place, colon, factory = text.rpartition(":")
    if not colon and text.startswith("timm/") and text != "timm/":
        return NetworkSource("timm", text.removeprefix("timm/"))
    if colon and factory.isidentifier():
        if place.endswith(".py"):
            return NetworkSource("file", place, factory)
        if place and all(part.isidentifier() for part in place.split(".")):
            return NetworkSource("module", place, factory)
    raise EmbedderUnavailable(f"layer:{text} names no network", f"write layer:{_FORMS}")


def check_allowed(source: NetworkSource, allowed: Sequence[str]) -> None:
    """Refuse code that the operator of a server has not named; timm's networks always pass.

    Parameters
    ----------
    source : NetworkSource
    allowed : sequence of str
        Folders whose .py files, at any depth, may be loaded; and ``module:PREFIX``: the module
        PREFIX and what is inside it may be imported.

    Raises
    ------
    EmbedderUnavailable
        If nothing that is allowed covers the source.
    """
    prefixes = [one.removeprefix(MODULE_PREFIX) for one in allowed if one.startswith(MODULE_PREFIX)]
    folders = [one for one in allowed if one and not one.startswith(MODULE_PREFIX)]
    if source.kind == "timm":
        return
    if source.kind == "module":
        within = f"{source.place}."
        if any(prefix and within.startswith(f"{prefix}.") for prefix in prefixes):
            return
    else:
        path = Path(source.place).resolve()  # a link leads where it leads
        if any(path.is_relative_to(Path(folder).resolve()) for folder in folders):
            return
    raise EmbedderUnavailable(
        f"this server does not run the code of {source.place}",
        "its operator names what it may run, folders and module:PREFIX, in AL_NETWORKS; "
        "layer:timm/MODEL needs no permission",
    )


def load_network(source: NetworkSource, checkpoint: Path | None) -> OwnNetwork:
    """Run the code that makes a network; load the weights of `checkpoint` into it, if any.

    Without a checkpoint the code must bring trained weights itself: it is run twice, and what
    differs between the two, or holds batch norms without a trace of training, is refused.

    Parameters
    ----------
    source : NetworkSource of kind "file" or "module"
    checkpoint : Path or None
        A state dict that fits in every key (.pth, .safetensors); nothing in it is executed.

    Raises
    ------
    EmbedderUnavailable
        If the code fails or makes no `torch.nn.Module`; if the weights are random or do not fit.
    """
    factory, code = _find_factory(source)
    model = _make(factory, source, seed=0)
    if checkpoint is not None:
        weights = read_checkpoint(checkpoint)
        check_trained(weights, source=f"the weights in {checkpoint.name}")
        fit_checkpoint(model, weights, source=checkpoint.name)
        return OwnNetwork(model, code)
    if fingerprint(model) != fingerprint(_make(factory, source, seed=1)):
        raise EmbedderUnavailable(
            f"{source.factory} makes a network with other weights at each call: they are random",
            "give trained weights with --checkpoint FILE, or load them in the factory",
        )
    check_trained(model.state_dict(), source=f"the weights that {source.factory} returns")
    return OwnNetwork(model, code)


def untrained_network(source: NetworkSource) -> Any:
    """Run the code that makes a network, whatever its weights: to look at its layers."""
    factory, _ = _find_factory(source)
    return _make(factory, source, seed=0)


def _find_factory(source: NetworkSource) -> tuple[Callable[[], Any], str]:
    """Return the function or class, and a hash of the file that it stands in."""
    cure_torchvision()  # many such files import it
    module = _run_file(Path(source.place)) if source.kind == "file" else _import(source.place)
    ours = {
        name
        for name, value in vars(module).items()
        if (inspect.isfunction(value) or inspect.isclass(value))
        # what was merely imported there is not offered: `mynetwork.py:Path` is no network
        and value.__module__.partition(".")[0] == module.__name__.partition(".")[0]
    }
    if source.factory not in ours:
        listed = ", ".join(sorted(name for name in ours if not name.startswith("_")))
        raise EmbedderUnavailable(
            f"{source.place} defines no function or class {source.factory!r}",
            f"it defines {listed}" if listed else "define a function that returns the network",
        )
    factory = getattr(module, source.factory)
    file = inspect.getsourcefile(factory) or ""
    code = Path(file).read_bytes() if Path(file).is_file() else b""
    return factory, hashlib.sha256(code).hexdigest()


def _run_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise EmbedderUnavailable(f"there is no file {path}", "check the path")
    name = f"al_network_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # the suffix is .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _failed(str(path), error) from error
    return module


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise _failed(name, error) from error


def _make(factory: Callable[[], Any], source: NetworkSource, *, seed: int) -> Any:
    import torch

    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = factory()
    except (Exception, SystemExit) as error:
        raise _failed(f"{source.place}:{source.factory}", error) from error
    if not isinstance(model, torch.nn.Module):
        raise EmbedderUnavailable(
            f"{source.place}:{source.factory} returns {type(model).__name__}, not a "
            "torch.nn.Module",
            "name a function without arguments that returns the network, or its class",
        )
    return model.float()


def _failed(what: str, error: BaseException) -> EmbedderUnavailable:
    """Say where in somebody's code the error is."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame
        for frame in frames
        if frame.filename != __file__ and not frame.filename.startswith("<frozen")
    ]
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return EmbedderUnavailable(
        f"{what} cannot be run{where}: {type(error).__name__}: {error}",
        "a file may import what is installed or on PYTHONPATH; a factory takes no arguments",
    )
