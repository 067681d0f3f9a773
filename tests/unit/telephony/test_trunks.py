"""Trunks as PJSIP objects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masking.trunks import AuthType, MediaEncryption, Transport, Trunk, TrunkAuth
from telephony.errors import BadTrunk
from telephony.trunks import called_over, render

IP = Trunk("carrier-a", "192.0.2.1", 5080)
DIGEST = replace(IP, auth=TrunkAuth(AuthType.DIGEST, "our.name", "pass/word!"))
REGISTERED = replace(IP, auth=TrunkAuth(AuthType.DIGEST, "our@name", "pw", register=True))


def sections(text: str) -> dict[str, dict[str, list[str]]]:
    """Objects by "type name", each option with all its values."""
    found: dict[str, dict[str, list[str]]] = {}
    for block in text.split("\n["):
        if "]" not in block or block.startswith(";"):
            continue
        name, _, body = block.partition("]")
        options: dict[str, list[str]] = {}
        for line in body.strip().splitlines():
            key, _, value = line.partition(" = ")
            options.setdefault(key, []).append(value)
        found[f"{options['type'][0]} {name}"] = options
    return found


def of(*trunks: Trunk) -> dict[str, dict[str, list[str]]]:
    return sections(render(trunks))


def test_nothing_of_one_leg_is_let_through_to_the_other() -> None:
    endpoint = of(IP)["endpoint carrier-a"]
    for option in (
        *("trust_id_inbound", "trust_connected_line", "send_connected_line", "send_rpid"),
        *("send_diversion", "send_history_info", "direct_media", "allow_transfer"),
        *("allow_subscribe", "allow_overlap"),
    ):
        assert endpoint[option] == ["no"], option
    assert endpoint["callerid"] == ["<anonymous>"]
    assert (endpoint["sdp_owner"], endpoint["sdp_session"]) == (["-"], ["-"])
    assert endpoint["contact_user"] == ["maskline"]
    assert endpoint["send_pai"] == ["yes"]


def test_a_trunk_is_known_by_address_and_source_port() -> None:
    found = of(IP, replace(IP, name="carrier-b", port=5081))
    assert found["identify carrier-a-identify"]["match"] == ["192.0.2.1:5080"]
    assert found["identify carrier-b-identify"]["match"] == ["192.0.2.1:5081"]
    assert found["aor carrier-a"]["contact"] == ["sip:192.0.2.1:5080"]
    assert "auth carrier-a-auth" not in found


HERE = replace(IP, host="127.0.0.2")


def test_a_carrier_simulated_on_this_machine_may_call_from_any_port() -> None:
    found = of(HERE, replace(HERE, name="carrier-b", host="127.0.0.3"))
    assert found["identify carrier-a-identify"]["match"] == ["127.0.0.2"]
    assert found["identify carrier-b-identify"]["match"] == ["127.0.0.3"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.example"])
def test_but_not_from_where_apps_of_this_machine_come_from(host: str) -> None:
    [match] = of(replace(IP, host=host))["identify carrier-a-identify"]["match"]
    assert match.endswith(":5080")


@pytest.mark.parametrize(
    "other",
    [
        replace(DIGEST, name="carrier-b", host=HERE.host),
        replace(HERE, name="carrier-b", enabled=False),
        replace(HERE, name="carrier-b", inbound=False),
    ],
    ids=["proves-itself", "disabled", "outbound-only"],
)
def test_a_trunk_that_no_address_leads_to_shares_none(other: Trunk) -> None:
    assert of(HERE, other)["identify carrier-a-identify"]["match"] == ["127.0.0.2"]


def test_where_trunks_share_one_address_the_source_port_tells() -> None:
    found = of(HERE, replace(HERE, name="carrier-b", port=5081))
    assert found["identify carrier-a-identify"]["match"] == ["127.0.0.2:5080"]
    assert found["identify carrier-b-identify"]["match"] == ["127.0.0.2:5081"]


def test_over_tcp_the_source_port_says_nothing() -> None:
    found = of(replace(IP, transport=Transport.TCP))
    assert found["identify carrier-a-identify"]["match"] == ["192.0.2.1"]
    assert found["aor carrier-a"]["contact"] == [r"sip:192.0.2.1:5080\;transport=tcp"]
    assert found["endpoint carrier-a"]["transport"] == ["transport-tcp"]
    both = of(replace(IP, transport=Transport.TCP), replace(IP, name="carrier-b"))
    assert both["identify carrier-a-identify"]["match"] == ["192.0.2.1"]
    assert both["identify carrier-b-identify"]["match"] == ["192.0.2.1:5080"]


SEALED = replace(
    REGISTERED, transport=Transport.TLS, port=5061, media_encryption=MediaEncryption.SDES
)


def test_over_tls_all_that_we_send_goes_by_it() -> None:
    found = of(SEALED)
    uri = r"sip:192.0.2.1:5061\;transport=tls"
    assert found["aor carrier-a"]["contact"] == found["aor carrier-a_unasked"]["contact"] == [uri]
    registration = found["registration carrier-a-registration"]
    assert registration["server_uri"] == [uri]
    assert registration["client_uri"] == [uri.replace("sip:", "sip:our%40name@")]
    assert (
        registration["transport"] == found["endpoint carrier-a"]["transport"] == ["transport-tls"]
    )
    assert found["identify carrier-a-identify"]["match"] == ["192.0.2.1"]


def test_sealed_audio_is_required_and_otherwise_not_spoken_of() -> None:
    endpoint = of(SEALED)["endpoint carrier-a"]
    assert endpoint["media_encryption"] == ["sdes"]
    assert "media_encryption_optimistic" not in endpoint
    assert "media_encryption" not in of(IP)["endpoint carrier-a"]


def test_the_transport_of_trunks_stands_before_them() -> None:
    text = render([SEALED], tls="\n[transport-tls]\ntype = transport\n")
    assert text.index("[transport-tls]") < text.index("[carrier-a]")
    assert next(iter(sections(text))) == "transport transport-tls"


def test_over_the_last_trunk_a_call_is_tried_whether_or_not_it_answers_options() -> None:
    found = of(replace(IP, options_interval_s=30))
    assert found["aor carrier-a"]["qualify_frequency"] == ["30"]
    unasked = {"type": ["aor"], "contact": ["sip:192.0.2.1:5080"]}
    assert found["aor carrier-a_unasked"] == unasked
    assert called_over("carrier-a", "+79161234567", last=False) == "+79161234567@carrier-a"
    assert called_over("carrier-a", "+79161234567", last=True) == (
        "+79161234567@carrier-a/carrier-a_unasked"
    )


def test_an_address_of_version_6_stands_in_brackets() -> None:
    found = of(replace(IP, host="2001:db8::1"))
    assert found["identify carrier-a-identify"]["match"] == ["[2001:db8::1]:5080"]
    assert found["aor carrier-a"]["contact"] == ["sip:[2001:db8::1]:5080"]


def test_a_carrier_with_credentials_proves_itself_wherever_it_calls_from() -> None:
    found = of(DIGEST)
    assert found["endpoint carrier-a"]["auth"] == ["carrier-a-auth"]
    assert found["endpoint carrier-a"]["outbound_auth"] == ["carrier-a-auth"]
    identify = found["identify carrier-a-identify"]
    assert "match" not in identify
    assert identify["match_header"] == [r'Authorization: /[Uu]sername="our\.name"/']
    assert found["auth carrier-a-auth"]["password"] == ["pass/word!"]


def test_a_carrier_we_register_with_is_known_by_its_address() -> None:
    found = of(REGISTERED)
    assert "auth" not in found["endpoint carrier-a"]
    assert found["identify carrier-a-identify"]["match"] == ["192.0.2.1:5080"]
    registration = found["registration carrier-a-registration"]
    assert registration["client_uri"] == ["sip:our%40name@192.0.2.1:5080"]
    assert registration["server_uri"] == ["sip:192.0.2.1:5080"]


def test_what_a_trunk_does_not_do_is_not_configured() -> None:
    assert of(replace(IP, enabled=False)) == {}
    outbound_only = of(replace(IP, inbound=False))
    assert "identify carrier-a-identify" not in outbound_only
    assert outbound_only["endpoint carrier-a"]["context"] == ["no-calls"]


def test_the_same_trunks_make_the_same_text_in_any_order() -> None:
    other = replace(IP, name="b", port=5090)
    assert render([IP, other]) == render([other, IP])


def test_a_node_on_one_address_names_it_in_sdp() -> None:
    endpoint = sections(render([IP], media_address="192.0.2.9"))["endpoint carrier-a"]
    assert endpoint["media_address"] == ["192.0.2.9"]
    assert endpoint["bind_rtp_to_media_address"] == ["yes"]


@pytest.mark.parametrize(
    ("trunk", "field"),
    [
        (replace(IP, name="Carrier A"), "name"),
        (replace(IP, name="a]\n[evil"), "name"),
        (replace(IP, name="a\n"), "name"),
        (replace(IP, host="h;x"), "host"),
        (replace(IP, host="h\nx"), "host"),
        (replace(IP, host="-h"), "host"),
        (replace(IP, port=0), "port"),
        (replace(IP, codecs=()), "codecs"),
        (replace(IP, codecs=("telephone-event",)), "codecs"),
        (replace(DIGEST, auth=TrunkAuth(AuthType.DIGEST, "a b", "x")), "auth.username"),
        (replace(DIGEST, auth=TrunkAuth(AuthType.DIGEST, "a", "x;y")), "auth.password"),
        (replace(DIGEST, auth=TrunkAuth(AuthType.DIGEST, "a", "x\ny")), "auth.password"),
        (replace(DIGEST, auth=TrunkAuth(AuthType.DIGEST, "a", None)), "auth.password"),
        (replace(IP, auth=TrunkAuth(register=True)), "auth.register"),
        (replace(SEALED, transport=Transport.TCP), "media_encryption"),
    ],
)
def test_a_value_that_asterisk_would_misread_is_refused(trunk: Trunk, field: str) -> None:
    with pytest.raises(BadTrunk) as refused:
        render([trunk])
    assert refused.value.field == field
    assert "\n" not in str(refused.value)
