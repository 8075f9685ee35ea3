"""Keep a running average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paddle import Tensor, nn


class Ema:
    """Averages the parameters and buffers of a network after each step.

    The average follows more closely at first (decay (1 + n) / (10 + n) after n steps), so that
    short runs are not dominated by the initial weights.

    Args:
        decay: Share of the old average that is kept at each step.
        steps: Steps that were averaged before.
        average: What they came to, by name, in a resumed run.
    """

    def __init__(
        self,
        network: nn.Layer,
        decay: float,
        steps: int = 0,
        average: Mapping[str, Tensor] | None = None,
    ) -> None:
        self._network, self._decay, self._steps = network, decay, steps
        source = network.state_dict() if average is None else average
        self.average: dict[str, Tensor] = {name: value.clone() for name, value in source.items()}
        for name, value in self.average.items():
            value.name = (
                f"{name}.ema"  # Saved with it; Paddle's own depends on what was made before.
            )

    def update(self) -> None:
        """Take in the weights as they are after a step."""
        import paddle

        self._steps += 1
        decay = min(self._decay, self._steps / (9 + self._steps))
        with paddle.no_grad():
            for name, value in self._network.state_dict().items():
                average = self.average[name]
                if paddle.is_floating_point(value):
                    # In this form a weight that does not change stays what it is, to the bit.
                    average.set_value(average + (value - average) * (1 - decay))
                else:
                    average.set_value(value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average in the network's place for a while."""
        state = self._network.state_dict()
        trained = {name: value.clone() for name, value in state.items()}
        self._put(self.average)
        try:
            yield
        finally:
            self._put(trained)

    def _put(self, values: Mapping[str, Tensor]) -> None:
        for name, value in self._network.state_dict().items():
            value.set_value(values[name])
