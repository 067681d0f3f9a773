"""Tools that Maskline runs (Asterisk, SIPp, a speech synthesiser), got without any rights.

They are taken from PATH or unpacked from the distribution's packages into a cache folder. Nothing
here talks to a running Asterisk, and nothing outside the cache folder is changed.
"""

from maskline.toolbox.asterisk import (
    AsteriskInstall,
    AsteriskVersion,
    Source,
    ensure_asterisk,
    find_asterisk,
)
from maskline.toolbox.box import (
    Command,
    Programs,
    Toolbox,
    ensure_programs,
    ensure_toolbox,
    find_tool,
    find_toolbox,
)
from maskline.toolbox.errors import ToolboxError
from maskline.toolbox.settings import ToolboxSettings

__all__ = [
    "AsteriskInstall",
    "AsteriskVersion",
    "Command",
    "Programs",
    "Source",
    "Toolbox",
    "ToolboxError",
    "ToolboxSettings",
    "ensure_asterisk",
    "ensure_programs",
    "ensure_sipp",
    "ensure_toolbox",
    "find_asterisk",
    "find_sipp",
    "find_tool",
    "find_toolbox",
    "tool",
]


def find_sipp(settings: ToolboxSettings) -> Command:
    """SIPp of the toolbox, else of PATH. Raises ToolMissingError."""
    return find_tool(settings, "sipp")


def ensure_sipp(settings: ToolboxSettings) -> Command:
    """SIPp of the toolbox, which is installed where it is missing, else of PATH."""
    return ensure_programs(settings).command("sipp")


def tool(settings: ToolboxSettings, name: str) -> Command:
    """A program such as ``sox``: of the toolbox, else of PATH. Raises ToolMissingError."""
    return find_tool(settings, name)
