"""asyncio: streams, datagrams, subprocesses, cancelled waits; selectors."""

import asyncio
import selectors
import socket


async def upper(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()


async def client(port, number, host="localhost"):
    reader, writer = await asyncio.open_connection(host, port)
    for i in range(20):
        writer.write(b"client %d says %d\n" % (number, i))
        assert await reader.readline() == b"CLIENT %d SAYS %d\n" % (number, i)
    writer.close()
    await writer.wait_closed()


async def count(reader, writer):
    writer.write(b"%d" % len(await reader.read(-1)))
    writer.close()


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(data.upper(), address)


class Ask(asyncio.DatagramProtocol):
    def __init__(self):
        self.answer = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        transport.sendto(b"ping")

    def datagram_received(self, data, address):
        self.answer.set_result(data)


async def streams():
    server = await asyncio.start_server(upper, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await asyncio.gather(*(client(port, n) for n in range(50)))
    print("streams ok")
    try:
        await asyncio.start_server(upper, "127.0.0.1", port, reuse_address=False)
    except OSError:
        print("port-taken ok")
    server.close()
    await server.wait_closed()
    both = await asyncio.start_server(upper, None, 0, family=socket.AF_INET6)
    await client(both.sockets[0].getsockname()[1], 0, "::1")
    both.close()
    print("IPv6 ok")
    server = await asyncio.start_server(count, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"x" * 5_000_000)
    await writer.drain()
    try:
        await asyncio.wait_for(reader.read(), 0.1)
    except asyncio.TimeoutError:
        print("cancelled-wait ok")
    writer.write_eof()
    assert await reader.read() == b"5000000"
    server.close()
    print("half-close ok")


async def main():
    await streams()
    loop = asyncio.get_running_loop()
    there, _ = await loop.create_datagram_endpoint(Echo, ("127.0.0.1", 0))
    here, ask = await loop.create_datagram_endpoint(Ask, remote_addr=there.get_extra_info("sockname"))
    assert await asyncio.wait_for(ask.answer, 5) == b"PING"
    there.close()
    here.close()
    print("datagrams ok")
    process = await asyncio.create_subprocess_exec("echo", "out", stdout=asyncio.subprocess.PIPE)
    assert (await process.communicate())[0] == b"out\n"
    print("subprocess ok")
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    try:
        await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        print("refused ok")


def selecting():
    """Each kind of selector, on a pair of connections and a pipe's worth of the kernel's own."""
    for kind in (selectors.SelectSelector, selectors.PollSelector, selectors.EpollSelector):
        with kind() as selector, socket.create_server(("127.0.0.1", 0)) as server:
            a = socket.create_connection(server.getsockname())
            b, _ = server.accept()
            near, far = socket.socketpair()
            selector.register(b, selectors.EVENT_READ, "tcp")
            selector.register(near, selectors.EVENT_READ, "unix")
            assert selector.select(0.05) == []
            a.sendall(b"1")
            assert [key.data for key, _ in selector.select(5)] == ["tcp"]
            far.sendall(b"1")
            assert sorted(key.data for key, _ in selector.select(5)) == ["tcp", "unix"]
            for sock in (a, b, near, far):
                sock.close()
        print(kind.__name__, "ok")


asyncio.run(main())
selecting()
