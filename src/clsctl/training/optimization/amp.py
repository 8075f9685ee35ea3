"""Mixed precision: float16 where that is safe, and a loss scaled so that gradients do not vanish.

P. Micikevicius et al., "Mixed Precision Training", 2018 (arXiv:1710.03740), by Paddle's level O1:
weights stay float32, so checkpoints are as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paddle.amp import GradScaler


def open_scaler(amp: str, state: Mapping[str, float]) -> GradScaler:
    """What scales the loss; without mixed precision it passes everything on as it is.

    Args:
        amp: `off` or `O1`.
        state: `scaler_state` of a run that goes on; empty at a run's beginning.
    """
    import paddle
    from paddle.amp import GradScaler

    scaler = GradScaler(enable=amp != "off")
    if state:
        restored = scaler.state_dict()
        restored["scale"] = paddle.to_tensor([state["scale"]])
        restored["incr_count"] = int(state["incr_count"])
        restored["decr_count"] = int(state["decr_count"])
        scaler.load_state_dict(restored)
    return scaler


def scaler_state(scaler: GradScaler) -> dict[str, float]:
    """What a checkpoint keeps of a scaler; nothing without mixed precision."""
    state = scaler.state_dict()
    return {name: float(state[name]) for name in ("scale", "incr_count", "decr_count") if state}
