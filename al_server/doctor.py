"""What works on this machine, one check a function; each tells what it saw and what to do."""

import importlib
import importlib.util
import os
import shutil
import socket
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from al_server.config import Settings

LITTLE_DISK = 2**30
OLDEST_PYTHON = (3, 11)


class Check(NamedTuple):
    """One thing that was looked at.

    Attributes
    ----------
    name : what was looked at
    state : `ok`; `warning`: the server works, something may not; `broken`: it does not work
    saw : what is there
    remedy : what to do about it; empty where nothing needs doing
    """

    name: str
    state: Literal["ok", "warning", "broken"]
    saw: str
    remedy: str = ""


def examine(settings: Settings) -> Iterator[Check]:
    """Look at everything, one after another; a check that dies is told as broken."""
    checks: list[tuple[str, Callable[[], Check]]] = [
        ("python", _python),
        ("compiler", _compiler),
        ("torch", _torch),
        ("torchvision", _torchvision),
        ("timm", lambda: _package("timm")),
        ("hnswlib", _hnswlib),
        ("threads", _threads),
        ("weights", _weights),
        ("data folder", lambda: _data_folder(settings.data)),
        ("disk", lambda: _disk(settings.data)),
        ("port", lambda: _port(settings.host, settings.port)),
    ]
    for name, check in checks:
        try:
            yield check()
        except Exception as error:  # a broken package may raise anything; the rest goes on
            remedy = "install again: rm -rf .venv && make run"
            yield Check(name, "broken", f"{type(error).__name__}: {error}", remedy)


def _python() -> Check:
    saw = f"{sys.version.split()[0]} at {sys.executable}"
    if sys.version_info < OLDEST_PYTHON:
        return Check("python", "broken", saw, "install Python 3.11 or newer")
    return Check("python", "ok", saw)


def _compiler() -> Check:
    wanted = [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    found = next((path for name in wanted if name and (path := shutil.which(name))), None)
    headers = Path(sysconfig.get_paths()["include"], "Python.h").is_file()
    if found and headers:
        return Check("compiler", "ok", f"{found}, Python headers")
    missing = "the Python headers" if found else "no C++ compiler"
    remedy = "needed only to install hnswlib anew; Debian, Ubuntu: apt install g++ python3-dev"
    return Check("compiler", "warning", f"{missing} missing" if found else missing, remedy)


def _torch() -> Check:
    import torch

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"
    threads = torch.get_num_threads()
    return Check("torch", "ok", f"{torch.__version__} on {device}, {threads} threads")


def _torchvision() -> Check:
    from embeddings.torchvision_cure import cure_torchvision

    cured = cure_torchvision()
    version = importlib.import_module("torchvision").__version__
    if not cured:
        return Check("torchvision", "ok", version)
    saw = f"{version}; its compiled library does not fit torch, which is worked around"
    return Check("torchvision", "ok", saw)


def _package(name: str) -> Check:
    return Check(name, "ok", str(importlib.import_module(name).__version__))


def _hnswlib() -> Check:
    import hnswlib
    import numpy as np

    index = hnswlib.Index(space="ip", dim=2)
    index.init_index(max_elements=2)
    index.add_items(np.eye(2, dtype=np.float32))
    rows, _ = index.knn_query(np.array([[0.0, 1.0]], dtype=np.float32), k=1)
    if rows.tolist() != [[1]]:
        return Check("hnswlib", "broken", "gives wrong neighbors", "install it again from source")
    return Check("hnswlib", "ok", "finds neighbors")


def _threads() -> Check:
    import numba

    # in the order in which numba tries them; the last one cannot be entered by two threads at once
    layers = {"tbb": "tbbpool", "omp": "omppool", "workqueue": "workqueue"}
    found = [name for name, module in layers.items() if _imports(f"numba.np.ufunc.{module}")]
    saw = (
        f"numba {numba.__version__}, {numba.get_num_threads()} threads, layers: {', '.join(found)}"
    )
    if found in ([], ["workqueue"]):
        remedy = "install OpenMP (Debian, Ubuntu: apt install libgomp1) or pip install tbb"
        return Check("threads", "warning", saw, remedy)
    return Check("threads", "ok", saw)


def _imports(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def _weights() -> Check:
    from huggingface_hub import constants

    hub = Path(constants.HF_HUB_CACHE)
    names = sorted(folder.name.removeprefix("models--") for folder in hub.glob("models--timm--*"))
    if names:
        models = ", ".join(name.replace("--", "/") for name in names[:5])
        return Check("weights", "ok", f"{len(names)} timm models in {hub}: {models}")
    remedy = "the first use of a timm model downloads it; offline, give --checkpoint FILE"
    return Check("weights", "warning", f"no timm models in {hub}", remedy)


def _data_folder(folder: Path) -> Check:
    nearest = _existing(folder)
    if folder.exists() and not folder.is_dir():
        return Check("data folder", "broken", f"{folder} is a file", "name a folder with --data")
    if not os.access(nearest, os.W_OK | os.X_OK):
        remedy = "make it writable, or name another with --data"
        return Check("data folder", "broken", f"{nearest} cannot be written", remedy)
    made = "" if folder.is_dir() else ", will be made"
    return Check("data folder", "ok", f"{folder}{made}")


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(_existing(folder)).free
    saw = f"{free / 2**30:.1f} GiB free"
    if free < LITTLE_DISK:
        return Check("disk", "warning", saw, "make room: labels that cannot be written are refused")
    return Check("disk", "ok", saw)


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _port(host: str, port: int) -> Check:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.create_server((host, port), family=family):
            return Check("port", "ok", f"{host} port {port} is free")
    except OSError as error:
        remedy = f"if that is not the server itself, choose another: --port {port + 1}"
        return Check("port", "warning", f"{host} port {port}: {error.strerror}", remedy)
