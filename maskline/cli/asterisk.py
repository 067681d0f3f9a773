"""`maskline asterisk`: unpack it, render its configuration, check what it is rendered from."""

from __future__ import annotations

import argparse
import os
import secrets
import sys

from maskline.cli.common import settings_of
from maskline.data_folder import DataFolder
from maskline.lint import check_dialplan, check_templates
from maskline.node_settings import node_settings
from maskline.toolbox import ToolboxSettings, ensure_asterisk, find_asterisk
from telephony.layout import Layout, load_identity, make_folders
from telephony.render import DIALPLAN, TEMPLATES, render_node


def install(_: argparse.Namespace) -> int:
    """Unpack what is missing of Asterisk and the tools into the cache; no root needed."""

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    found = ensure_asterisk(ToolboxSettings.from_env(os.environ), say)
    print(f"Asterisk {found.version} ({found.source}): {found.program}")
    return 0


def render(arguments: argparse.Namespace) -> int:
    """Write Asterisk's configuration into the data folder, while nothing runs on it."""
    settings = settings_of(arguments)
    with DataFolder(settings.data, ("controller",)):
        found = find_asterisk(ToolboxSettings.from_env(os.environ))
        layout = Layout.of(settings.data)
        make_folders(layout)
        identity = load_identity(layout, secrets.token_hex)
        render_node(node_settings(settings, prompts=None), layout, identity, found)
    print(layout.conf)
    return 0


def lint(_: argparse.Namespace) -> int:
    """Check the dialplan and the templates; a line for each fault."""
    templates = {path.name: path.read_text("utf-8") for path in sorted(TEMPLATES.glob("*.conf"))}
    faults = [*check_dialplan(DIALPLAN.name, DIALPLAN.read_text("utf-8"))]
    faults += check_templates(templates)
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"{DIALPLAN.name} and {len(templates)} templates: no fault")
    return 1 if faults else 0
