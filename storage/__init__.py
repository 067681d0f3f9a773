"""Where Maskline keeps what must last: schema, migrations, repositories and the vault.

Nothing here decides anything about calls, and nothing above (api, cdr, telephony) is imported.
"""

from storage.database import Database, open_database
from storage.migration import migrate

__all__ = ["Database", "migrate", "open_database"]
