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
        ws_host=settings.ws.host if settings.ws else settings.http.host,
        ws_port=settings.ws.port if settings.ws else None,
        tls_cert=settings.tls_cert,
        tls_key=settings.tls_key,
        sip_tls=settings.sip_tls,
        sip_tls_ca=settings.sip_tls_ca,
        app_domain=settings.app_host,
        sip_ladder=settings.sip_ladder,
    )
