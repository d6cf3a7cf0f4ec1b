"""Keeps the two players level: sees statistics, plans the next step, never touches a network."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ganvas.config import BalanceConfig

MEMORY = 0.99  # of the running measure, per discriminator step


class Balance:
    """Holds the discriminator still while it ranks real samples above fakes too often.

    The measure is the share of pairs in which the real sample outranks the fake: it does not change when a constant
    is added to all logits, so it means the same under every adversarial loss. While the discriminator holds still
    the measure falls back towards one half, or it would never move again.
    """

    def __init__(self, config: BalanceConfig):
        self.config, self.strength = config, 0.5

    def holds(self, player: str, limit: float = 1.0) -> bool:
        """Whether a player sits out the next step; `limit` is what a remedy asks for, 1 for nothing."""
        return player == "discriminator" and self.strength > min(limit, self.config.skip_above or 1.0)

    def observe(self, stats: Mapping[str, Tensor], limit: float = 1.0) -> None:
        """Take in the statistics of one step, averaged over all processes; costs a synchronisation only when on."""
        if min(limit, self.config.skip_above or 1.0) < 1:
            wins = stats.get("discriminator/wins")
            self.strength = MEMORY * self.strength + (1 - MEMORY) * (0.5 if wins is None else float(wins))
