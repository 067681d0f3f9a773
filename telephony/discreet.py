"""What holds for every endpoint of ours, a trunk's or an app's: no side learns of the other by it.

Options as `trunks.py` and `app_rows.py` write them; what differs between the two stands there.
"""

from __future__ import annotations

from typing import Final

__all__ = ["DISCREET"]

DISCREET: Final = (
    # What a leg says of itself goes nowhere: AMI and logs print an Asterisk caller id raw.
    ("callerid", "<anonymous>"),
    ("trust_id_inbound", "no"),
    ("trust_connected_line", "no"),
    # What a leg is shown is chosen for the call, and nothing of the other side follows, then or
    # later.
    ("trust_id_outbound", "no"),
    ("send_connected_line", "no"),
    ("send_diversion", "no"),
    ("send_history_info", "no"),
    ("suppress_q850_reason_headers", "yes"),
    ("contact_user", "maskline"),
    ("sdp_owner", "-"),
    ("sdp_session", "-"),
    # Media pass through us, and nobody sends a call on but we.
    ("direct_media", "no"),
    ("allow_transfer", "no"),
    ("allow_subscribe", "no"),
    # Numbers come whole; a short one is no number of ours.
    ("allow_overlap", "no"),
    ("timers", "yes"),
    ("100rel", "no"),
    # Answered where it called from (RFC 3581).
    ("force_rport", "yes"),
)
