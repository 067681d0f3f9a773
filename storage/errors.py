"""What can go wrong between Maskline and its database. Texts never hold a phone, a key or a URL."""

from __future__ import annotations

from typing import ClassVar


class StorageError(Exception):
    """The database could not do what was asked."""

    error_id: ClassVar[str] = "storage"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or type(self).__doc__)


class DatabaseUnavailable(StorageError):
    """The database cannot be opened or reached."""

    error_id = "database_unavailable"


class DatabaseLocked(StorageError):
    """Another process held the database locked for longer than we wait; nothing was written."""

    error_id = "database_locked"


class DatabaseFull(StorageError):
    """The disk or the database is full; nothing was written."""

    error_id = "database_full"


class DatabaseReadOnly(StorageError):
    """The database may only be read; nothing was written."""

    error_id = "database_read_only"


class DatabaseCorrupt(StorageError):
    """The database file is damaged or is not a database."""

    error_id = "database_corrupt"


class DatabaseOverloaded(StorageError):
    """Too much waits for the database already; this was not begun and may be tried again."""

    error_id = "database_overloaded"


class DatabaseSilent(StorageError):
    """The database gave no answer; whether the work was done is not known."""

    error_id = "database_silent"


class DatabaseClosed(StorageError):
    """The database was closed; this was not done."""

    error_id = "database_closed"


class NotAtOnce(StorageError):
    """The database cannot answer this without being waited for; nothing was done."""

    error_id = "not_at_once"


class ConflictPersists(StorageError):
    """Other transactions stood in the way every time it was tried; nothing was written."""

    error_id = "conflict_persists"


class ConstraintViolated(StorageError):
    """A rule of the schema forbids this; nothing was written."""

    error_id = "constraint_violated"


class SchemaOutdated(StorageError):
    """The tables are not those this version of Maskline needs: the database must be migrated."""

    error_id = "schema_outdated"


class BadCursor(StorageError):
    """The cursor was not given out by this list."""

    error_id = "bad_cursor"


class VaultError(StorageError):
    """The vault cannot seal or open."""

    error_id = "vault"


class VaultKeyUnusable(VaultError):
    """The vault's key file cannot be read, is damaged, or is open to others."""

    error_id = "vault_key_unusable"


class VaultKeyDiffers(VaultError):
    """The database was sealed with another vault key than the one at hand."""

    error_id = "vault_key_differs"


class SealBroken(VaultError):
    """A sealed value was changed, cut, or sealed with another key or for another purpose."""

    error_id = "seal_broken"


class RotationUnderWay(VaultError):
    """The vault's keys are being rotated already; wait until that is done."""

    error_id = "rotation_under_way"
