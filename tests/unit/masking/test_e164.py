"""Numbers in and out: what is read as which phone, and how each carrier gets it."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.e164 import is_country, parse, parse_sip, spell
from masking.errors import InvalidPhone
from masking.model import Phone
from masking.trunks import NumberFormat, Trunk

HOSTILE = st.text(max_size=60) | st.text(
    alphabet="+0123456789 ()-.\r\n\0,&|${}%;<>@\"'\u0663\uff11", max_size=30
)
CODES = st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
DIGITS = st.text(alphabet="0123456789", min_size=4, max_size=14)
E164_TEXT = st.builds(lambda code, rest: f"+{code}{rest}", CODES, DIGITS)
# Countries with every kind of trunk prefix (8, 0, 1, 06, none) and international prefix.
COUNTRIES = ("RU", "KZ", "DE", "GB", "US", "FR", "IT", "ES", "HU", "UA", "TR", "CN", "IN", "AU")


def trunk(number_format: NumberFormat, country: str = "RU") -> Trunk:
    return Trunk("carrier-a", "127.0.0.2", number_format=number_format, country=country)


def example(country: str) -> Phone:
    number = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
    assert number is not None
    return Phone(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


@pytest.mark.parametrize(
    ("raw", "country", "phone"),
    [
        ("+79161234567", None, "+79161234567"),
        ("+7 (916) 123-45-67", None, "+79161234567"),
        ("+7.916.123.45.67", None, "+79161234567"),
        ("+7\u00a0916\u00a0123\u201145\u201167", None, "+79161234567"),
        ("8 916 123 45 67", "RU", "+79161234567"),
        ("89161234567", "RU", "+79161234567"),
        ("9161234567", "RU", "+79161234567"),
        ("79161234567", "RU", "+79161234567"),
        ("8 (812) 123-45-67", "RU", "+78121234567"),
        ("8121234567", "RU", "+78121234567"),
        ("+78121234567", None, "+78121234567"),
        ("8-800-555-35-35", "RU", "+78005553535"),
        ("87011234567", "KZ", "+77011234567"),
        ("00 7 916 123 45 67", None, "+79161234567"),
        ("00442079460018", "RU", "+442079460018"),
        ("8 10 44 20 7946 0018", "RU", "+442079460018"),
        ("810442079460018", "RU", "+442079460018"),
        ("011 44 20 7946 0018", "US", "+442079460018"),
        ("0011 44 20 7946 0018", "AU", "+442079460018"),
        ("0044 20 7946 0018", "AU", "+442079460018"),
        ("+44 (0)20 7946 0018", None, "+442079460018"),
        ("+7 8 916 123 45 67", None, "+79161234567"),
        ("020 7946 0018", "GB", "+442079460018"),
        ("06 1234 5678", "IT", "+390612345678"),
        ("+39 06 1234 5678", None, "+390612345678"),
        ("+1 202 555 0143", None, "+12025550143"),
        ("+74951110001", None, "+74951110001"),  # a test number: possible, whoever uses it
        ("+70000000000", None, "+70000000000"),
        ("+2904000", None, "+2904000"),  # seven digits in all
        ("+800 1234 5678", None, "+80012345678"),  # belongs to no country
    ],
)
def test_what_people_write_is_read(raw: str, country: str | None, phone: str) -> None:
    assert parse(raw, country=country) == phone


@pytest.mark.parametrize(
    ("raw", "country"),
    [
        ("", None),
        ("+", None),
        (" ", "RU"),
        ("anna", "RU"),
        ("9161234567", None),  # national, but of which country?
        ("89161234567", None),
        ("89161234567", "XX"),
        ("+7916123456", None),  # a digit short
        ("+791612345678", None),  # a digit long
        ("+89161234567", None),  # there is no code 89
        ("+0079161234567", None),
        ("+290400", None),  # six digits
        ("1234567", "RU"),  # local only: nobody outside the town can dial it
        ("112", "RU"),
        ("+79161234567 ext. 5", None),
        ("+79161234567,1", None),
        ("tel:+79161234567", None),
        ("+7916123++4567", None),
        ("7+9161234567", "RU"),
        ("+79161234567\n", None),
        ("\t+79161234567", None),
        ("+7916123\r\n4567", None),
        ("+7916123\x004567", None),
        ("+\u0667\u0669\u0661\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667", None),
        ("\uff0b79161234567", None),
        ("+7 9 1 6 1 2 3 4 5 6 7" + " " * 40, None),
    ],
)
def test_what_is_no_phone_is_refused_without_being_quoted(raw: str, country: str | None) -> None:
    with pytest.raises(InvalidPhone) as refused:
        parse(raw, country=country)

    assert refused.value.__context__ is None or refused.value.__suppress_context__
    assert not any(c.isdigit() for c in str(refused.value).replace("7 to 15", ""))


def test_forty_characters_are_read_and_forty_one_are_not() -> None:
    assert parse("+79161234567".ljust(40)) == "+79161234567"
    with pytest.raises(InvalidPhone):
        parse("+79161234567".ljust(41))


@given(HOSTILE, st.sampled_from((None, "RU", "US", "XX")))
def test_any_text_is_a_phone_or_refused(raw: str, country: str | None) -> None:
    try:
        phone = parse(raw, country=country)
    except InvalidPhone:
        return
    assert phone[0] == "+"
    assert phone[1:].isascii()
    assert phone[1:].isdigit()
    assert 7 <= len(phone[1:]) <= 15


@given(E164_TEXT)
def test_a_plain_number_is_read_as_the_library_reads_it(raw: str) -> None:
    number = phonenumbers.parse(raw) if possible(raw) else None
    if number is None:
        with pytest.raises(InvalidPhone):
            parse(raw)
    else:
        assert parse(raw) == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def possible(raw: str) -> bool:
    try:
        number = phonenumbers.parse(raw)
    except phonenumbers.NumberParseException:
        return False
    reason = phonenumbers.is_possible_number_with_reason(number)
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return reason == phonenumbers.ValidationResult.IS_POSSIBLE and 7 <= len(written[1:]) <= 15


@pytest.mark.parametrize(
    ("raw", "number_format", "phone"),
    [
        ("+79161234567", NumberFormat.E164, "+79161234567"),
        ("79161234567", NumberFormat.E164, "+79161234567"),
        ("79161234567", NumberFormat.E164_BARE, "+79161234567"),
        ("+79161234567", NumberFormat.E164_BARE, "+79161234567"),
        ("89161234567", NumberFormat.NATIONAL, "+79161234567"),
        ("9161234567", NumberFormat.NATIONAL, "+79161234567"),
        ("+79161234567", NumberFormat.NATIONAL, "+79161234567"),
        ("810442079460018", NumberFormat.NATIONAL, "+442079460018"),
        ("00442079460018", NumberFormat.NATIONAL, "+442079460018"),
    ],
)
def test_what_a_carrier_sends_is_read_as_it_spells(
    raw: str, number_format: NumberFormat, phone: str
) -> None:
    assert parse_sip(raw, trunk(number_format)) == phone


@pytest.mark.parametrize("number_format", NumberFormat)
@pytest.mark.parametrize(
    "raw",
    [
        "",
        "+",
        "anonymous",
        "Anonymous",
        "0",
        "900",
        "0000000000",
        "+7 916 123-45-67",
        "+79161234567;ext=1",
        "+79161234567\r\nEvent: Hangup",
        "${EXTEN}",
        "+7916123456７",
        "1" * 21,
    ],
)
def test_what_a_carrier_must_not_send_is_refused(raw: str, number_format: NumberFormat) -> None:
    with pytest.raises(InvalidPhone):
        parse_sip(raw, trunk(number_format))


@pytest.mark.parametrize("number_format", [NumberFormat.E164, NumberFormat.E164_BARE])
def test_an_international_carrier_never_means_a_national_number(
    number_format: NumberFormat,
) -> None:
    with pytest.raises(InvalidPhone):
        parse_sip("89161234567", trunk(number_format))


@given(HOSTILE, st.sampled_from(NumberFormat), st.sampled_from((*COUNTRIES, "XX")))
def test_any_user_part_is_a_phone_or_refused(
    raw: str, number_format: NumberFormat, country: str
) -> None:
    try:
        phone = parse_sip(raw, trunk(number_format, country))
    except InvalidPhone:
        return
    assert phone[0] == "+"
    assert phone[1:].isdigit()
    assert raw.isascii()


@pytest.mark.parametrize(
    ("phone", "number_format", "country", "text"),
    [
        ("+79161234567", NumberFormat.E164, "RU", "+79161234567"),
        ("+79161234567", NumberFormat.E164_BARE, "RU", "79161234567"),
        ("+79161234567", NumberFormat.NATIONAL, "RU", "89161234567"),
        ("+442079460018", NumberFormat.NATIONAL, "RU", "810442079460018"),
        ("+442079460018", NumberFormat.NATIONAL, "GB", "02079460018"),
        ("+79161234567", NumberFormat.NATIONAL, "GB", "0079161234567"),
        ("+12025550143", NumberFormat.NATIONAL, "US", "12025550143"),
        ("+79161234567", NumberFormat.NATIONAL, "US", "01179161234567"),
        ("+390612345678", NumberFormat.NATIONAL, "IT", "0612345678"),
        ("+5511912345678", NumberFormat.NATIONAL, "BR", "011912345678"),
        ("+79161234567", NumberFormat.NATIONAL, "BR", "0079161234567"),
        ("+79161234567", NumberFormat.NATIONAL, "AU", "001179161234567"),
        ("+79161234567", NumberFormat.NATIONAL, "XX", "0079161234567"),
    ],
)
def test_numbers_are_spelt_as_the_carrier_wants_them(
    phone: str, number_format: NumberFormat, country: str, text: str
) -> None:
    assert spell(Phone(phone), trunk(number_format, country)) == text


@given(E164_TEXT, st.sampled_from((NumberFormat.E164, NumberFormat.E164_BARE)))
def test_what_is_spelt_internationally_is_read_back(raw: str, number_format: NumberFormat) -> None:
    try:
        phone = parse(raw)
    except InvalidPhone:
        return
    spelt = spell(phone, trunk(number_format))
    again = parse(spelt if spelt[0] == "+" else "+" + spelt)
    assert parse_sip(spelt, trunk(number_format)) == again


@pytest.mark.parametrize("home", COUNTRIES)
@pytest.mark.parametrize("of", COUNTRIES)
def test_what_is_spelt_nationally_is_read_back(home: str, of: str) -> None:
    national = trunk(NumberFormat.NATIONAL, home)
    spelt = spell(example(of), national)

    assert spelt.isdigit()
    assert parse_sip(spelt, national) == example(of)


def test_countries_are_known_by_their_two_capitals() -> None:
    assert is_country("RU")
    assert not is_country("ru")
    assert not is_country("XX")
    assert not is_country("001")
