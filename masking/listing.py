"""Listing numbers: what a listing shows to people we do not know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from masking.model import ChannelPolicy, Listing, Participant, ProxyNumber


@dataclass(frozen=True, slots=True)
class Shown:
    """A number that the listing shows, or showed and still answers."""

    number: ProxyNumber
    extension: str  # digits typed after the number; "" where none are
    shown_at: datetime
    hidden_at: datetime | None = None
    callers: int = 0  # new callers it brought


@dataclass(frozen=True, slots=True)
class ListingNumber:
    """A listing that strangers may call, and the one they reach."""

    id: str
    listing: Listing
    pool: str
    callee: Participant  # the seller, with a phone
    created_at: datetime
    expires_at: datetime
    shown: Shown | None  # None: it is over
    closed_at: datetime | None = None
    channel_policy: ChannelPolicy = ChannelPolicy.APP_THEN_GSM

    def live(self, now: datetime) -> bool:
        """Whether new callers reach it at `now`."""
        closed = self.closed_at is not None and self.closed_at <= now
        return not closed and now < self.expires_at
