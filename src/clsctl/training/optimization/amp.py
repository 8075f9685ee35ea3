"""Train in mixed precision: float16 where safe, and a loss scaled to keep gradients from vanishing.

P. Micikevicius et al., "Mixed Precision Training", 2018 (arXiv:1710.03740), by Paddle's level O1:
weights stay float32, so checkpoints do not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paddle.amp import GradScaler


def open_scaler(amp: str, state: Mapping[str, float]) -> GradScaler:
    """Open what scales the loss; without mixed precision it changes nothing.

    Args:
        amp: `off` or `O1`.
        state: `scaler_state` of a resumed run; empty at a run's beginning.
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
    """Return what a checkpoint keeps of a scaler; nothing without mixed precision."""
    state = scaler.state_dict()
    return {name: float(state[name]) for name in ("scale", "incr_count", "decr_count") if state}
