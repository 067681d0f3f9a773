"""The vault: what it seals only it can open, and nothing that was touched opens at all."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.model import Phone
from storage import Database, marks
from storage.errors import SealBroken, VaultKeyDiffers, VaultKeyUnusable
from storage.vault import INDEX_BYTES, Vault, VaultKeys
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


async def test_a_database_knows_its_vault(db: Database, vault: Vault) -> None:
    await db.write(lambda conn: marks.bind_vault(conn, vault))
    await db.write(lambda conn: marks.bind_vault(conn, vault))

    with pytest.raises(VaultKeyDiffers):
        await db.write(lambda conn: marks.bind_vault(conn, Vault(VaultKeys.generate())))
    await db.write(lambda conn: marks.bind_vault(conn, vault))
