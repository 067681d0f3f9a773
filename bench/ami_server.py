"""A manager that greets, lets anybody in, and writes one burst of events when asked to.

Run as `python -m bench.ami_server COUNT`; prints its port, serves one client after another, and
ends when its standard input closes. The action `Burst` starts the burst.
"""

from __future__ import annotations

import asyncio
import re
import sys

from bench.ami_stream import GREETING, NOISE, events

_ACTION = re.compile(rb"Action: (\w+)")
_ID = re.compile(rb"ActionID: ([^\r\n]+)")


async def _serve(burst: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(GREETING)
    try:
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            action, action_id = _ACTION.search(request), _ID.search(request)
            if action is None or action_id is None:
                break
            writer.write(b"Response: Success\r\nActionID: %b\r\n" % action_id[1])
            writer.write(b"Challenge: 1\r\n\r\n" if action[1] == b"Challenge" else b"\r\n")
            if action[1] == b"Burst":
                for start in range(0, len(burst), 1 << 16):
                    writer.write(burst[start : start + (1 << 16)])
                    await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _main(count: int) -> None:
    burst = b"".join(events(count, leave_out=NOISE))
    server = await asyncio.start_server(
        lambda reader, writer: _serve(burst, reader, writer), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
