"""Bare modules in place of packages that a suite imports and that nothing here calls, such as clients of models."""

import sys
import types
from pathlib import Path


def stand_in(name: str, path: Path | None = None, **names: object) -> None:
    """Puts a module into place that has these names. With a path, its submodules are found there."""
    module = types.ModuleType(name)
    vars(module).update(names)
    if path is not None:
        module.__path__ = [str(path)]
    sys.modules[name] = module
