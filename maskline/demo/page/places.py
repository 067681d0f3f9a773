"""Where the demo page's parts are: taken out of what the command line gave, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from api.outbound import allowed_networks
from maskline.errors import SettingsRefused
from maskline.settings import PortRange, Settings

LEAST_PORTS = 80  # of --rtp, with --demo


@dataclass(frozen=True, slots=True)
class Places:
    """What each part may use."""

    settings: Settings  # of Maskline itself
    carrier_rtp: PortRange
    radio: PortRange
    web_host: str  # that the browser and our own webhooks reach


def divide(settings: Settings) -> Places:
    """Of the RTP ports three quarters for Maskline, an eighth each for carrier and radio.

    Webhooks may come to our own HTTP address besides. Raises SettingsRefused.
    """
    first, last = settings.rtp
    count = last - first + 1
    if count < LEAST_PORTS:
        raise SettingsRefused(f"setting rtp: with --demo it must hold {LEAST_PORTS} ports or more")
    eighth = count // 8 & ~1  # RTP ports begin at even numbers
    carrier, radio = last + 1 - 2 * eighth & ~1, last + 1 - eighth & ~1
    host = settings.http.host
    web_host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (never bound)
    try:
        ours = allowed_networks([web_host])
    except ValueError:  # a name; it is this machine's own
        ours = allowed_networks(["127.0.0.0/8", "::1/128"])
    return Places(
        settings=settings.model_copy(
            update={
                "rtp": PortRange(first, carrier - 1),
                "outbound_allow": (*settings.outbound_allow, *ours),
            }
        ),
        carrier_rtp=PortRange(carrier, radio - 1),
        radio=PortRange(radio, last),
        web_host=web_host,
    )
