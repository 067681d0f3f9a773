"""The vault: what it seals only it can open, and nothing that was touched opens at all."""

from __future__ import annotations

import stat
from base64 import b32encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.model import Phone
from storage import Database, marks
from storage.errors import SealBroken, VaultKeyDiffers, VaultKeyUnusable
from storage.vault import INDEX_BYTES, Purpose, Vault, VaultKeys
from tests.support.storage import ANNA, PETR, a_vault

KEYS = VaultKeys(sealing={1: b"k" * 32}, index=b"i" * 32)


def test_a_phone_is_opened_as_it_was_sealed() -> None:
    vault = a_vault()

    assert vault.open(vault.seal(ANNA)) == ANNA


def test_the_same_phone_is_sealed_differently_each_time() -> None:
    vault = a_vault()

    assert len({vault.seal(ANNA) for _ in range(100)}) == 100


def test_the_phone_is_not_in_what_is_sealed() -> None:
    assert ANNA[1:].encode() not in a_vault().seal(ANNA)


@given(st.data())
def test_a_seal_with_any_bit_changed_does_not_open(data: st.DataObject) -> None:
    vault = a_vault()
    sealed = bytearray(vault.seal(ANNA))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8

    with pytest.raises(SealBroken):
        vault.open(bytes(sealed))


def test_a_seal_cut_anywhere_or_lengthened_does_not_open() -> None:
    vault = a_vault()
    sealed = vault.seal(ANNA)

    for cut in [*(sealed[:n] for n in range(len(sealed))), sealed + b"\0"]:
        with pytest.raises(SealBroken):
            vault.open(cut)


def test_a_seal_does_not_open_for_another_purpose() -> None:
    vault = a_vault()

    with pytest.raises(SealBroken):
        vault.open(vault.seal_secret(ANNA))
    with pytest.raises(SealBroken):
        vault.open_secret(vault.seal(ANNA))
    assert vault.open_secret(vault.seal_secret("päss wörd")) == "päss wörd"


def test_a_new_key_seals_and_the_old_one_still_opens() -> None:
    old = Vault(KEYS)
    new = Vault(VaultKeys(sealing={1: b"k" * 32, 2: b"n" * 32}, index=KEYS.index))

    assert new.open(old.seal(ANNA)) == ANNA
    with pytest.raises(SealBroken):
        old.open(new.seal(ANNA))
    assert new.index(ANNA) == old.index(ANNA), "look-ups go on"


def test_the_index_is_the_same_for_the_same_phone_under_the_same_key_only() -> None:
    vault = a_vault()

    assert vault.index(ANNA) == Vault(KEYS).index(ANNA)
    assert len(vault.index(ANNA)) == INDEX_BYTES
    assert vault.index(ANNA) != vault.index(PETR)
    assert vault.index(ANNA) != vault.digest(ANNA.encode())
    assert vault.index(ANNA) != Vault(VaultKeys(KEYS.sealing, b"j" * 32)).index(ANNA)


def test_thousands_of_phones_have_thousands_of_indexes() -> None:
    vault = a_vault()

    assert len({vault.index(Phone(f"+7916{n:07}")) for n in range(20_000)}) == 20_000


def test_no_key_and_no_phone_is_shown() -> None:
    shown = repr(KEYS) + repr(a_vault())

    assert "kkkk" not in shown
    assert "iiii" not in shown
    with pytest.raises(SealBroken) as broken:
        a_vault().open(b"\1" + ANNA.encode() * 4)
    assert ANNA not in str(broken.value)


class TestKeyFile:
    """DIR/vault.key is made once, is nobody else's, and is read again."""

    def test_it_is_made_when_absent_and_read_again(self, tmp_path: Path) -> None:
        path = tmp_path / "data" / "vault.key"

        first = Vault.from_file(path)
        again = Vault.from_file(path)

        assert again.open(first.seal(ANNA)) == ANNA
        assert again.fingerprint() == first.fingerprint()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert list(path.parent.iterdir()) == [path]

    def test_those_who_make_it_at_once_agree(self, tmp_path: Path) -> None:
        path = tmp_path / "vault.key"
        with ThreadPoolExecutor(16) as many:
            vaults = list(many.map(lambda _: Vault.from_file(path), range(32)))

        assert len({vault.fingerprint() for vault in vaults}) == 1
        assert list(tmp_path.iterdir()) == [path]

    def test_a_file_that_others_can_read_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "vault.key"
        Vault.from_file(path)
        path.chmod(0o604)

        with pytest.raises(VaultKeyUnusable, match="chmod 600"):
            Vault.from_file(path)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "nonsense\n",
            "index AAAA\nseal 1 AAAA\n",
            KEYS.text().replace("seal 1", "seal 0"),
            KEYS.text().replace("seal 1", "seal 256"),
            KEYS.text().replace("seal 1", "seal ²"),
            KEYS.text() + KEYS.text(),
            KEYS.text() + KEYS.text().splitlines()[1],  # two keys of the index
            KEYS.text() + KEYS.text().splitlines()[2],  # two keys by one name
            KEYS.text() + "use 2",  # a key that is not there
            KEYS.text() + "use 1\nuse 1",
            KEYS.text() + "use x",
            KEYS.text() + "use 256",
            KEYS.text().splitlines()[1],  # nothing to seal with
            "\n".join(line for line in KEYS.text().splitlines() if "index" not in line),
            KEYS.text()[:-9],
        ],
    )
    def test_a_damaged_file_is_refused_and_not_quoted(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "vault.key"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)

        with pytest.raises(VaultKeyUnusable) as refused:
            Vault.from_file(path)
        assert "AAAA" not in str(refused.value)
        assert path.read_text(encoding="utf-8") == text, "never written over"

    def test_a_place_that_cannot_be_used_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")

        with pytest.raises(VaultKeyUnusable, match="cannot use"):
            Vault.from_file(tmp_path / "file" / "vault.key")

    def test_its_text_is_read_back(self) -> None:
        assert VaultKeys.parse(KEYS.text()) == KEYS

    def test_it_says_which_of_its_keys_seals_where_that_is_not_the_newest(self) -> None:
        two = {1: b"k" * 32, 2: b"n" * 32}
        early = VaultKeys(two, KEYS.index, uses=1)

        assert VaultKeys.parse(early.text()) == early
        assert Vault(early).seal(ANNA)[0] == 1
        assert Vault(VaultKeys.parse(VaultKeys(two, KEYS.index).text())).seal(ANNA)[0] == 2

    def test_another_content_is_taken_up_and_a_damaged_one_is_not(self, tmp_path: Path) -> None:
        path = tmp_path / "vault.key"
        vault = Vault.from_file(path)
        before = path.read_text()

        path.write_text(before + "seal 9 " + "A" * 43 + "=\n")
        vault.refresh()
        assert (vault.known, vault.current) == (frozenset({1, 9}), 9)

        path.write_text("seal")
        with pytest.raises(VaultKeyUnusable):
            vault.refresh()
        path.write_text(VaultKeys.generate().text())
        with pytest.raises(VaultKeyDiffers):
            vault.refresh()
        assert (vault.known, vault.current) == (frozenset({1, 9}), 9)


def test_what_stands_for_a_phone_in_one_place_stands_for_it_nowhere_else() -> None:
    """Pseudonyms, digests and indexes of the same text cannot be laid side by side."""
    vault = a_vault()
    pseudonym, ref = vault.pseudonym(ANNA), vault.person_ref(ANNA)

    assert (pseudonym, ref) == (Vault(KEYS).pseudonym(ANNA), Vault(KEYS).person_ref(ANNA))
    assert len(pseudonym) == 26
    assert pseudonym == pseudonym.lower()
    assert ref.startswith("prs_")
    assert len(ref) == 30
    texts = {vault.index(ANNA), vault.digest(ANNA.encode()), vault.fingerprint()}
    spelt = {b32encode(one).decode().rstrip("=").lower() for one in texts}
    assert len({pseudonym, ref.removeprefix("prs_"), *spelt}) == 5
    assert vault.pseudonym(PETR) != pseudonym
    assert vault.person_ref(PETR) != ref


def test_what_is_kept_is_found_by_every_version_of_maskline() -> None:
    """Databases hold these texts: who makes them another way finds nobody and verifies nothing."""
    vault = a_vault()

    assert ANNA == "+79161234567"
    assert vault.index(ANNA).hex() == "78878c40edd8334bdbc22c3caa192592"
    assert vault.digest(b"a body").hex() == "0fa14e98452c70518e820bb1957896eb"
    assert vault.pseudonym(ANNA) == "tknrasrzbz42g6jqc7tyrmjnpe"
    assert vault.person_ref("u-1") == "prs_nywpshxsmsdmhacsdoga76hfpm"
    assert vault.fingerprint().hex() == "34e704d16882ede63fa398b6190eb54c"
    commitment = vault.commitment(b"caller", b"s" * 16, b"data")
    assert commitment.hex() == "6ef30dfeafa02e3cbc65de32ba0e2d4f"
    sealed = "01" + "65" * 12
    phone = bytes.fromhex(sealed + "c9ddc43fcccd21bf4a132d0ab3131000129a823377c15f64a2e31689")
    secret = bytes.fromhex(sealed + "928b8e7df6bd6c51309d900f7da7228f5ca82657")
    sip = bytes.fromhex(sealed + "aba4ab47aeb9c303fdccc24216c389cb2ff7fb511dee")
    assert (vault.open(phone), vault.open_secret(secret), vault.open_sip(sip)) == (
        ANNA,
        "pass",
        b"INVITE",
    )


def test_a_commitment_is_of_its_data_purpose_salt_and_key() -> None:
    vault, salt = a_vault(), b"s" * 16
    said = vault.commitment(b"caller", salt, b"data")

    assert said == Vault(KEYS).commitment(b"caller", salt, b"data")
    assert len(said) == INDEX_BYTES
    others = {
        vault.commitment(b"callee", salt, b"data"),
        vault.commitment(b"caller", b"t" * 16, b"data"),
        vault.commitment(b"caller", salt, b"other"),
        Vault(VaultKeys(KEYS.sealing, b"j" * 32)).commitment(b"caller", salt, b"data"),
    }
    assert len(others | {said}) == 5


def test_salts_are_as_many_as_asked_for_and_never_the_same() -> None:
    vault = a_vault()

    assert len(vault.salts(3)) == 3 * INDEX_BYTES
    assert vault.salts(3) != vault.salts(3)


def test_sip_messages_open_as_they_were_sealed_and_for_nothing_else() -> None:
    vault = a_vault()
    sealed = vault.seal_sip(b"INVITE\0\xff")

    assert vault.open_sip(sealed) == b"INVITE\0\xff"
    with pytest.raises(SealBroken):
        vault.open_secret(sealed)
    with pytest.raises(SealBroken):
        vault.open_sip(vault.seal_secret("INVITE"))


def test_sealing_anew_keeps_the_value_and_takes_the_newer_key() -> None:
    old = Vault(KEYS)
    new = Vault(VaultKeys(sealing={1: b"k" * 32, 2: b"n" * 32}, index=KEYS.index))

    anew = new.reseal(Purpose.PHONE, old.seal(ANNA))

    assert (anew[0], new.open(anew)) == (2, ANNA)
    with pytest.raises(SealBroken):
        new.reseal(Purpose.SECRET, old.seal(ANNA))


async def test_a_database_knows_its_vault(db: Database, vault: Vault) -> None:
    await db.write(lambda conn: marks.bind_vault(conn, vault))
    await db.write(lambda conn: marks.bind_vault(conn, vault))

    with pytest.raises(VaultKeyDiffers):
        await db.write(lambda conn: marks.bind_vault(conn, Vault(VaultKeys.generate())))
    await db.write(lambda conn: marks.bind_vault(conn, vault))
