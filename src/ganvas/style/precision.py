"""Whether this processor is quicker in half precision."""

from __future__ import annotations

import torch


def half_is_faster() -> bool:
    """Whether the processor multiplies bfloat16 by instructions of its own, so about twice as fast as float32.

    Asked of the processor, not measured, so that the answer, and with it every painting, is the same on a busy machine.
    """
    asks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(ask() for ask in asks if ask is not None)
