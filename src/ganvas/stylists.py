"""A network that learnt one style, put to use: photographs of any size repainted in one pass, and export as ONNX.

Shapes: H height, W width. Photographs are float32 [H, W, 3] in [0, 1], sRGB.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ganvas import api, images, presets
from ganvas.config import StylistConfig, changed
from ganvas.errors import RunError, UserError
from ganvas.layers import recompute_statistics
from ganvas.models import stylise
from ganvas.style import tiles

WHOLE = 2**21  # pixels that are painted at once
SMALLEST = 16  # pixels along a side that the network can mirror at every depth
CHECKED = ((48, 64), (61, 35))  # sizes at which an export is compared
TOLERANCE = 1e-4


def training(
    picture: str | Path,
    out: str | Path | None = None,
    *,
    photos: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    **everyday: Any,
) -> api.Training:
    """A run that learns to repaint photographs in the style of a picture: iterate over its events, or `.run()` it.

    Args:
        picture: whose style is learnt: a file, or the name of a carried style.
        out: the run folder; by default runs/NAME of the picture. If it holds this same run, training goes on with it.
        photos: folder or zip of photographs to practise on; by default those that scikit-image carries.
        settings: any setting by dotted name, such as {"style.strength": 5}.
        everyday: settings without a dot: minutes, total_images, seed, device, threads, batch_size.

    Raises:
        UserError: what was given, what is accepted, what to try.
    """
    wanted = {"source": str(photos or "photographs"), "style.picture": str(picture)}
    asked = changed(presets.stylise(), presets.one_length(wanted | everyday | dict(settings or {})))
    return api.Training(Path(out) if out is not None else api.default_out(str(picture)), asked)


@dataclass(frozen=True)
class Stylist:
    """A trained network that repaints.

    Attributes:
        network: between pictures in [0, 1].
        manner: what it has learnt.
    """

    network: _Whole
    manner: StylistConfig

    @torch.no_grad()
    def paint(self, photograph: np.ndarray, strength: float = 1.0) -> np.ndarray:
        """A photograph repainted.

        Args:
            photograph: float32 [H, W, 3] in [0, 1].
            strength: 0 gives the photograph back, 1 the network's picture; in between, the mean of both by weight.

        Returns:
            float32 [H, W, 3] in [0, 1]
        """
        if strength == 0:
            return photograph
        pixels = torch.tensor(photograph).permute(2, 0, 1)[None]
        height, width = pixels.shape[2:]
        wide, tall = max(0, SMALLEST - width), max(0, SMALLEST - height)
        pixels = functional.pad(pixels, (0, wide, 0, tall), "replicate")
        painted: Tensor = self.in_tiles(pixels) if height * width > WHOLE else self.network(pixels)
        whole: np.ndarray = painted[0, :, :height, :width].permute(1, 2, 0).numpy()
        return whole if strength == 1 else photograph + np.float32(strength) * (whole - photograph)

    def in_tiles(self, photograph: Tensor) -> Tensor:
        """A photograph [1, 3, H, W] repainted tile by tile, in the memory of one.

        Whitening and instance normalisation take means, correlations and sizes of channels from the whole picture.
        Here they come from parts spread over it, once for all tiles, so that these fit together.
        """
        network, stride = copy.deepcopy(self.network), self.network.inner.stride
        for module in network.modules():
            if isinstance(module, stylise.Whitening):
                module.hold()
        for parent in list(network.modules()):
            for name, norm in parent.named_children():
                if isinstance(norm, nn.InstanceNorm2d):
                    fixed = nn.BatchNorm2d(norm.num_features, norm.eps)
                    fixed.load_state_dict(norm.state_dict(), strict=False)
                    setattr(parent, name, fixed)
        recompute_statistics(network, [tiles.spread(photograph, WHOLE, stride)])
        network.eval()
        return tiles.worked_on(photograph, lambda part, *_: network(part), WHOLE, self.network.inner.reach, stride)

    def export(self, path: Path) -> float:
        """Write the network as ONNX: "pictures" [1, 3, H, W] in [0, 1] to "painted", any size from 16.

        Returns:
            The largest difference between the file run by ONNX Runtime and the network run by torch.

        Raises:
            UserError: when the packages for it are not there, the file cannot be written, or it computes otherwise.
        """
        try:
            import onnxruntime
            import onnxscript  # noqa: F401  # what torch's exporter stands on
        except ImportError as error:
            raise UserError(f"export needs {error.name}: pip install 'ganvas[onnx]'.") from None
        side = torch.export.Dim
        program = torch.onnx.export(
            self.network.eval(), (torch.rand(1, 3, *CHECKED[0]),), dynamo=True, verbose=False,
            input_names=["pictures"], output_names=["painted"],
            dynamic_shapes=({0: 1, 2: side("height", min=SMALLEST), 3: side("width", min=SMALLEST)},),
        )  # fmt: skip
        assert program is not None
        with tempfile.TemporaryDirectory() as folder:
            program.save(str(Path(folder) / "network.onnx"))
            data = (Path(folder) / "network.onnx").read_bytes()
        session = onnxruntime.InferenceSession(data)
        gap = 0.0
        for size in CHECKED:
            pictures = torch.rand(1, 3, *size)
            with torch.no_grad():
                expected = self.network(pictures).numpy()
            gap = max(gap, float(np.abs(session.run(None, {"pictures": pictures.numpy()})[0] - expected).max()))
        if not gap < TOLERANCE:
            raise UserError(f"the exported network differs from torch's by {gap:.1e}; it was not written.")
        try:
            images.write_bytes(path, data)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}.") from None
        return gap


class _Whole(nn.Module):
    """A run's network between pictures in [0, 1]."""

    def __init__(self, inner: stylise.Stylist):
        super().__init__()
        self.inner = inner

    def forward(self, pictures: Tensor) -> Tensor:
        """[N, 3, H, W] to [N, 3, H, W], both in [0, 1]."""
        painted: Tensor = self.inner(2 * pictures - 1)
        return ((painted + 1) / 2).clamp(0, 1)


def load(path: str | Path) -> Stylist:
    """The network of a run that learnt a style.

    Raises:
        RunError: when there is no run, no usable checkpoint, or one of another kind.
    """
    trained = api.load(path)
    architecture = trained.state.architecture
    if architecture.takes != "pictures":
        raise RunError(
            f"{path} makes pictures out of nothing; one that repaints is trained by: ganvas style-train PICTURE."
        )
    network = trained.state.averages[architecture.sampler]
    assert isinstance(network, stylise.Stylist)
    return Stylist(_Whole(network).eval(), trained.run.resolved.style)
