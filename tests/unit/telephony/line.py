"""What Asterisk counts of a leg's media, for tests of who listens to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Line:
    """A leg's running totals; two seconds of packets at a time."""

    codec: str = "opus"
    lost: float = 0.0  # share, of what comes
    far_lost: float = 0.0
    silent: bool = False
    reports: bool = True  # its far end
    kept: str = "(null)"
    received: int = 0
    gone: int = 0
    sent: int = 0
    far_gone: int = 0
    report_every: int = 1  # ticks: what is lost is known no sooner
    ticks: int = 0
    told: int = 0

    def tick(self) -> None:
        self.ticks += 1
        came = 0 if self.silent else 100 - round(100 * self.lost)
        self.received += came
        self.gone += 0 if self.silent else 100 - came
        self.sent += 100
        self.far_gone += round(100 * self.far_lost)
        if self.ticks % self.report_every == 0:
            self.told = self.gone

    def figures(self) -> str:
        if not self.reports:
            return (
                f"ssrc=1;themssrc=2;lp={self.told};rxjitter=0.000000;rxcount={self.received}"
                f";txjitter=0.003000;txcount={self.sent};rlp=0;rtt=0.000000;rxmes=0.0;txmes=88.1"
            )
        rtt = 0.05 + self.sent / 1e9
        return (
            f"ssrc=1;themssrc=2;lp={self.told};txjitter=0.004000;rxcount={self.received}"
            f";rxjitter=0.003000;txcount={self.sent};rlp={self.far_gone};rtt={rtt:.6f}"
            ";txmes=88.1;rxmes=88.2"
        )
