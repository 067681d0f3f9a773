"""The patterns of texts that come in, each with what to do when it is not met.

They are in the intersection of the dialects of JSON Schema (ECMA 262), Rust and Python, so that the
published document says exactly what is checked.
"""

from __future__ import annotations

from typing import Final

PHONE: Final = r"^\+[1-9][0-9]{6,14}$"
IDENTIFIER: Final = r"^[A-Za-z0-9][A-Za-z0-9._:@~|=+-]{0,127}$"
NAME: Final = r"^[a-z0-9][a-z0-9-]{0,31}$"
# Runs of digits are too short for a phone, and no spreadsheet takes its beginning for a formula.
_WORD: Final = "([A-Za-z]{1,20}[0-9]{0,6}[A-Za-z]{0,10}|[0-9]{1,9}[A-Za-z]{0,10})"
CATEGORY: Final = rf"^{_WORD}([._/-]{_WORD}){{0,3}}$"
# No control characters (C0, DEL, C1), no line separators, no direction overrides.
TEXT: Final = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$"

_LABEL: Final = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST: Final = rf"^({_LABEL}(\.{_LABEL}){{0,15}}|[0-9A-Fa-f:]{{2,39}})$"
COUNTRY: Final = r"^[A-Z]{2}$"
# Credentials go into Asterisk's configuration, where blanks, quotes, brackets, ; and # mean
# something else.
USERNAME: Final = r"^[A-Za-z0-9_.+@-]{1,64}$"
CREDENTIAL: Final = r"^[A-Za-z0-9_.+@:/=!~*,^%&()-]{1,128}$"
# Scheme and host; what follows is checked by `api.outbound.check_url`.
WEB_URL: Final = r"^https?://[A-Za-z0-9\[][!-~]*$"

_FUNNEL: Final = "(hour|day|channel|came_by|callee_channel|category|variant)"
FUNNEL_BY: Final = rf"^{_FUNNEL}(,{_FUNNEL}){{0,5}}$"
_TRAFFIC: Final = "(hour|day|node|trunk)"
TRAFFIC_BY: Final = rf"^{_TRAFFIC}(,{_TRAFFIC}){{0,2}}$"

HINTS: Final = {
    PHONE: "give the number in E.164: a plus, the country code and the number, 7 to 15 digits, "
    "without blanks",
    IDENTIFIER: "use 1 to 128 of letters, digits and . _ : @ ~ | = + -, "
    "beginning with a letter or digit",
    NAME: "use 1 to 32 of a-z, 0-9 and -, beginning with a letter or digit",
    FUNNEL_BY: "give up to six of hour, day, channel, came_by, callee_channel, category, variant, "
    "with commas between",
    TRAFFIC_BY: "give up to three of hour, day, node, trunk, with commas between",
    CATEGORY: "use up to four words of letters and digits, with one of . _ / - between two",
    TEXT: "leave out control characters, line breaks and direction overrides",
    HOST: "give an IP address or a DNS name",
    WEB_URL: "give an absolute URL, in ASCII, that begins with https://",
    COUNTRY: "give an ISO 3166-1 code of two capitals, for example RU",
    USERNAME: "use 1 to 64 of letters, digits and _ . + @ -",
    CREDENTIAL: "use 1 to 128 of letters, digits and _ . + @ : / = ! ~ * , ^ % & ( ) -",
}
