"""A second reader of a node's AMI events: bytes in, frames out, nothing believed, nothing skipped.

It shares no code with our own client, so that it can tell what Asterisk really said.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from pathlib import Path
from typing import Self

Frame = list[tuple[str, str]]


class Observer:
    """`async with await Observer.of(data_folder) as ami:`"""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.frames: list[Frame] = []
        self._reader, self._writer = reader, writer
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def of(cls, data: Path) -> Self:
        """Log in beside Maskline, as it does itself where it hears of calls."""
        conf = (data / "node" / "conf" / "manager.conf").read_text()
        port = re.search(r"^port = (\d+)$", conf, re.MULTILINE)
        heard = re.search(
            r"^\[([^\]]+)\]\nsecret = (\S+)\n(?:[a-z].*\n)*?read = \S*user", conf, re.MULTILINE
        )
        assert port is not None
        assert heard is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port[1]))
        one = cls(reader, writer)
        await reader.readline()  # the banner
        login = ("Action: Login", f"Username: {heard[1]}", f"Secret: {heard[2]}")
        writer.write("\r\n".join([*login, "", ""]).encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert b"Response: Success" in answer
        one._task = asyncio.create_task(one._read())
        return one

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._writer.close()

    async def _read(self) -> None:
        while True:
            raw = await self._reader.readuntil(b"\r\n\r\n")
            lines = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
            self.frames.append([(line.partition(":")[0], line.partition(":")[2]) for line in lines])

    @property
    def offers(self) -> list[dict[str, str]]:
        """The calls that were offered."""
        named = (dict(frame) for frame in self.frames)
        return [one for one in named if one.get("UserEvent") == " CallOffered"]

    def faults(self, node: str) -> list[str]:
        """What no honest event looks like."""
        found = []
        for frame in self.frames:
            names = [name for name, _ in frame]
            kind = frame[0][1].strip()
            if kind == "FullyBooted":
                continue
            if names[:4] != ["Event", "Privilege", "Timestamp", "SystemName"]:
                found.append(f"{kind} begins with {names[:4]}")
            elif frame[3][1].strip() != node:
                found.append(f"{kind} of another node")
            if len(set(names) - {"ChanVariable"}) != len([n for n in names if n != "ChanVariable"]):
                found.append(f"{kind} says something twice")
            found += [
                f"{kind} holds {name!r}: {value!r}"
                for name, value in frame
                if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name)
                or not re.fullmatch(r" [ -~]*|", value)
            ]
        return found


def header_of(offer: dict[str, str], name: str) -> bytes:
    """The SIP header in an offer, as the caller sent it; nothing if it cut itself off."""
    try:
        return base64.b64decode(offer[name].strip()).rpartition(b" ")[0]
    except binascii.Error:
        return b""
