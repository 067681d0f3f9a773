"""Settings: who wins over whom, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from api.outbound import check_url
from api.outbound.errors import AddressRefused
from maskline.errors import SettingsRefused
from maskline.settings import Address, PortRange, Settings


def load(
    given: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    return Settings.load(given or {}, environ=environ or {}, file=file)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_defaults_listen_for_http_on_loopback_only() -> None:
    assert load().http == Address("127.0.0.1", 8080)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    file.write_text('http = "1.1.1.1:1"\nsip = "1.1.1.1:1"\nmax_calls = 1\n')
    environ = {"MASKLINE_HTTP": "2.2.2.2:2", "MASKLINE_SIP": "2.2.2.2:2"}

    settings = load({"http": "3.3.3.3:3", "sip": None}, environ, file)

    assert (str(settings.http), str(settings.sip)) == ("3.3.3.3:3", "2.2.2.2:2")
    assert settings.max_calls == 1


def test_the_file_of_the_working_folder_is_read_and_none_is_fine(tmp_path: Path) -> None:
    assert load().max_calls == 1000
    (tmp_path / "maskline.toml").write_text("max_calls = 7\n")
    assert load().max_calls == 7


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match="there is no configuration file"):
        load(file=tmp_path / "no.toml")
    with pytest.raises(SettingsRefused, match="there is no configuration file"):
        load(environ={"MASKLINE_CONFIG": str(tmp_path / "no.toml")})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("htpp = 1", "setting htpp is unknown; the nearest is http"),
        ("http = ", "is not TOML"),
        ('http = "nonsense"', "setting http: must be HOST:PORT"),
        ('rtp = "20000-10000"', "setting rtp: must be FIRST-LAST, from 1024 to 65535"),
        ("max_calls = 0", "setting max_calls: Input should be greater than or equal to 1"),
        ('ws = "nowhere"', "setting ws: must be HOST:PORT"),
        ('tls_cert = "c.pem"', "tls_cert and tls_key belong together"),
        ('sip_tls = "127.0.0.1:5061"', "sip_tls needs tls_cert and tls_key"),
        ('turn_urls = ["turn:127.0.0.1:3478"]', "turn_urls and turn_secret belong together"),
        ('stun_urls = "http://x"', "setting stun_urls: must be such as stun:HOST:3478"),
        ('log_level = "loud"', "setting log_level: Input should be 'debug', 'info'"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "m.toml"
    file.write_text(text)
    with pytest.raises(SettingsRefused) as refused:
        load(file=file)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_unknown_variable_is_refused_but_not_those_of_the_set_up() -> None:
    load(environ={"MASKLINE_CACHE": "/x", "MASKLINE_ASTERISK": "auto", "OTHER": "1"})
    with pytest.raises(SettingsRefused, match="the nearest is MASKLINE_LOG_LEVEL"):
        load(environ={"MASKLINE_LOGLEVEL": "info"})


@pytest.mark.parametrize("text", ["127.0.0.1", ":80", "a b:80", "h:0", "h:70000", "h:-1", "h:80\n"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        Address.parse(text)


@pytest.mark.parametrize("text", ["127.0.0.1:80", "[::1]:8080", "example.org:1"])
def test_an_address_reads_as_it_is_written(text: str) -> None:
    assert str(Address.parse(text)) == text


def test_calls_are_bounded_by_the_rtp_ports() -> None:
    assert load({"rtp": "20000-20399"}).calls_at_once == 100
    assert load({"rtp": "20000-20399"}, {"MASKLINE_MAX_CALLS": "3"}).calls_at_once == 3
    assert load({"rtp": PortRange(20000, 20001)}).calls_at_once == 1


def test_a_node_begins_as_many_calls_as_its_processors_carry_or_as_it_is_told() -> None:
    assert load().begun_a_second % 60 == 0
    assert load({"max_cps": 7}).begun_a_second == 7


def test_the_database_is_in_the_data_folder_unless_it_is_named(tmp_path: Path) -> None:
    assert load({"data": tmp_path}).database == f"sqlite:///{tmp_path}/maskline.db"
    url = "postgresql://u:secret@h/d"
    settings = load(environ={"MASKLINE_DATABASE_URL": url})
    assert settings.database == url
    assert "secret" not in repr(settings)


def test_ice_servers_are_a_list_or_a_text_with_commas() -> None:
    urls = ("turn:127.0.0.1:3478?transport=udp", "turns:relay.example:5349")
    given = load({"turn_urls": list(urls), "turn_secret": "north"})
    assert given.turn_urls == urls
    assert load(environ={"MASKLINE_STUN_URLS": "stun:a:3478, stun:b:3478"}).stun_urls == (
        "stun:a:3478",
        "stun:b:3478",
    )
    assert "north" not in repr(given)


def test_web_apps_are_named_by_their_origins() -> None:
    named = load(environ={"MASKLINE_APP_ORIGINS": "https://shop.example, http://127.0.0.1:3000"})
    assert named.app_origins == ("https://shop.example", "http://127.0.0.1:3000")
    assert load({"app_origins": ["*"]}).app_origins == ("*",)
    for wrong in ("shop.example", "https://shop.example/", "https://a.example;evil", "null"):
        with pytest.raises(SettingsRefused, match="without a path"):
            load({"app_origins": [wrong]})


def test_apps_ask_where_the_operator_says() -> None:
    assert load().app_url == "http://127.0.0.1:8080/v1/app"
    outside = load({"public_url": "https://calls.example"})
    assert outside.app_url == "https://calls.example/v1/app"
    with pytest.raises(SettingsRefused, match="public_url"):
        load({"public_url": "https://calls.example/"})


@pytest.mark.parametrize("http", ["127.0.0.1:8080", "127.0.0.9:1", "[::1]:8080", "localhost:8080"])
def test_a_machine_that_nobody_else_reaches_tells_its_own_platform(http: str) -> None:
    alone = load({"http": http})
    assert alone.outbound_allow == ()
    for url in ("http://127.0.0.1:9000/hook", "http://[::1]:9000/hook"):
        check_url(url, alone.with_own_platform().outbound_allow)
    with pytest.raises(AddressRefused):
        check_url("https://10.0.0.1/hook", alone.with_own_platform().outbound_allow)


@pytest.mark.parametrize(
    "given",
    [
        {"http": "0.0.0.0:8080"},
        {"http": "10.0.0.1:8080"},
        {"http": "127.evil.example:8080"},
        {"trusted_proxies": "127.0.0.1/32"},
        {"public_url": "https://calls.example"},
        {"outbound_allow": "10.1.0.0/16"},
    ],
    ids=str,
)
def test_whoever_lets_others_in_or_says_where_webhooks_may_go_keeps_what_he_said(
    given: dict[str, str],
) -> None:
    settings = load(given)
    assert settings.with_own_platform() == settings
    with pytest.raises(AddressRefused):
        check_url("https://127.0.0.1:9000/hook", settings.with_own_platform().outbound_allow)
