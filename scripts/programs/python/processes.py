"""multiprocessing by fork, spawn and forkserver: pools, inherited listeners, sockets in messages, managers."""

import multiprocessing as mp
import os
import socket
from multiprocessing.connection import Client, Listener
from multiprocessing.managers import BaseManager


def square(x):
    return x * x


def serve_one(server, pids):
    sock, _ = server.accept()
    sock.sendall(sock.recv(100).upper())
    sock.close()
    pids.put(os.getpid())


def talk(address):
    with Client(address, authkey=b"secret") as conn:
        conn.send({"a": [1, 2]})
        assert conn.recv() == {"a": [1, 2]}


def answer(conn):
    sock = conn.recv()
    sock.sendall(b"passed on")
    sock.close()


class Manager(BaseManager):
    pass


def numbers():
    return [3, 1, 2]


def main(method):
    context = mp.get_context(method)
    with context.Pool(3) as pool:
        assert pool.map(square, range(50)) == [x * x for x in range(50)]

    with socket.create_server(("127.0.0.1", 0)) as server:
        pids = context.Queue()
        children = [context.Process(target=serve_one, args=(server, pids)) for _ in range(3)]
        for child in children:
            child.start()
        for _ in children:
            with socket.create_connection(server.getsockname()) as sock:
                sock.sendall(b"shared")
                assert sock.recv(100) == b"SHARED"
                assert sock.recv(100) == b""
        assert len({pids.get(timeout=5) for _ in children}) == 3
        for child in children:
            child.join()
        print(f"{method}-listener ok")

    with Listener(("127.0.0.1", 0), authkey=b"secret") as listener:
        child = context.Process(target=talk, args=(listener.address,))
        child.start()
        with listener.accept() as conn:
            conn.send(conn.recv())
            child.join()
        assert child.exitcode == 0
        print(f"{method}-connection ok")

    here, there = context.Pipe()
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        sock, _ = server.accept()
        child = context.Process(target=answer, args=(there,))
        child.start()
        here.send(sock)
        sock.close()
        child.join()
        assert client.recv(100) == b"passed on"
        assert client.recv(100) == b""
        print(f"{method}-passing ok")

    Manager.register("numbers", callable=numbers)
    with Manager(address=("127.0.0.1", 0), authkey=b"secret", ctx=context) as manager:
        assert manager.numbers()._getvalue() == [3, 1, 2]
    print(f"{method}-manager ok")


if __name__ == "__main__":
    for each in ("fork", "spawn", "forkserver"):
        main(each)
