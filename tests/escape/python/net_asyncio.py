# Connects and listens with asyncio's transports.
# Known from: the standard library.
# expect: success
import asyncio

loop = asyncio.get_event_loop()


async def attempt(make):
    try:
        print("ESCAPED:", await asyncio.wait_for(make(), 0.3))
    except BaseException as error:
        print(type(error).__name__, error)


await attempt(lambda: asyncio.open_connection("127.0.0.1", {{PORT}}))
await attempt(lambda: asyncio.open_unix_connection("{{SOCKET_PATH}}"))
await attempt(lambda: asyncio.start_server(lambda r, w: None, "127.0.0.1", 0))
await attempt(lambda: loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("127.0.0.1", {{PORT}})))
await attempt(lambda: asyncio.create_subprocess_exec("/bin/touch", "{{MARK}}"))
await attempt(lambda: asyncio.create_subprocess_shell("touch {{MARK}}"))
