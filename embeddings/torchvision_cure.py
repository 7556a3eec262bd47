"""Lets timm import a torchvision whose compiled library does not fit the torch beside it.

A torchvision built for CUDA beside a CPU-only torch cannot load its compiled library, and then dies
on import with "operator torchvision::nms does not exist": its Python part gives the operator `nms`
a meaning that nothing has declared. Declaring the two operators it asks for is enough; they have no
implementation then, and nothing here calls them.
"""

import importlib.util
import sys
import threading
from pathlib import Path
from typing import Any

_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_kept_alive: list[Any] = []  # the declarations vanish with the object that made them
_lock = threading.Lock()


def cure_torchvision() -> bool:
    """Make `import torchvision` work; to be called before whatever imports it first.

    Does nothing where torchvision's library loads, where torchvision was imported already, and
    where there is no torchvision.

    Returns
    -------
    bool, whether the cure was, or had been, needed
    """
    with _lock:
        if not _kept_alive and "torchvision" not in sys.modules and _is_broken():
            import torch

            declarations = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
            for operator in ("nms", "qnms"):
                declarations.define(operator + _SIGNATURE)  # type: ignore[no-untyped-call]
            _kept_alive.append(declarations)
        return bool(_kept_alive)


def _is_broken() -> bool:
    """Try to load the compiled library as torchvision does, without importing torchvision."""
    import torch

    spec = importlib.util.find_spec("torchvision")
    folders = spec.submodule_search_locations if spec is not None else None
    libraries = [path for folder in folders or () for path in Path(folder).glob("_C.*")]
    try:
        for library in libraries:
            torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
    except OSError:
        return True
    return folders is not None and not libraries
