"""What the operator chose, in the terms of a node."""

from __future__ import annotations

from pathlib import Path

from maskline.settings import Settings
from telephony.layout import NodeSettings


def node_settings(settings: Settings, prompts: Path | None) -> NodeSettings:
    """The settings of this machine's node; `prompts` holds the announcements."""
    return NodeSettings(
        data_dir=settings.data,
        sip_host=settings.sip.host,
        sip_port=settings.sip.port,
        rtp_first=settings.rtp.first,
        rtp_last=settings.rtp.last,
        route_timeout_s=settings.route_timeout_s,
        max_calls=2 * settings.calls_at_once,  # Asterisk counts channels
        language=settings.language,
        prompts_dir=prompts,
    )
