"""ganvas: train a GAN you can trust on your own pictures, on the machine you have.

    for event in ganvas.train("photos/", out="runs/photos", minutes=20):
        print(event)
    ganvas.load("runs/photos").sample(16, seed=0)
    ganvas.stylize("photo.jpg", "painting.jpg", out="painted.jpg").run()

Names are imported when first used, so that `import ganvas` and `ganvas --help` do not wait for torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "RunConfig",
    "Trained",
    "Training",
    "UserError",
    "__version__",
    "evaluate",
    "load",
    "style_score",
    "stylize",
    "train",
]

if TYPE_CHECKING:
    from ganvas.api import Trained, Training, evaluate, load, train
    from ganvas.config import RunConfig
    from ganvas.errors import UserError
    from ganvas.judge import style_score
    from ganvas.painter import stylize

_HOMES = {
    "RunConfig": "ganvas.config",
    "UserError": "ganvas.errors",
    "Trained": "ganvas.api",
    "Training": "ganvas.api",
    "evaluate": "ganvas.api",
    "load": "ganvas.api",
    "train": "ganvas.api",
    "style_score": "ganvas.judge",
    "stylize": "ganvas.painter",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ganvas' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
