"""socketserver in all its kinds and http.server, each with clients in a process of their own."""

import http.client
import http.server
import os
import socket
import socketserver
import subprocess
import sys
import threading
import urllib.request
import xmlrpc.client
import xmlrpc.server

LINES = 20


class Upper(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


class UpperDatagram(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(data.upper(), self.client_address)


def stream_client(port, number):
    with socket.create_connection(("localhost", port)) as sock, sock.makefile("rwb") as file:
        for i in range(LINES):
            file.write(b"client %d says %d\n" % (number, i))
            file.flush()
            assert file.readline() == b"CLIENT %d SAYS %d\n" % (number, i)


def datagram_client(port, number):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(("127.0.0.1", port))
        for i in range(LINES):
            sock.send(b"client %d says %d" % (number, i))
            assert sock.recv(100) == b"CLIENT %d SAYS %d" % (number, i)


def in_threads(client, port):
    """Eight clients at once; a failed one ends the program."""
    failed = []

    def one(number):
        try:
            client(port, number)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def serve(name, server, handler, client):
    with server(("127.0.0.1", 0), handler) as s:
        thread = threading.Thread(target=s.serve_forever)
        thread.start()
        # A process of their own: the children of a forking server must not hold the clients' ends.
        port = str(s.server_address[1])
        subprocess.run([sys.executable, __file__, client, port], check=True, timeout=20)
        s.shutdown()
        thread.join()
    print(name, "ok")


class Files(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        length = int(self.headers["content-length"])
        body = b"%d" % sum(self.rfile.read(length))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def web():
    with open("big.bin", "wb") as file:
        file.write(os.urandom(3_000_000))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files) as s:
        thread = threading.Thread(target=s.serve_forever)
        thread.start()
        url = f"http://localhost:{s.server_port}/"
        with open("big.bin", "rb") as file:
            assert urllib.request.urlopen(url + "big.bin").read() == file.read()
        kept = http.client.HTTPConnection("127.0.0.1", s.server_port)
        for _ in range(20):
            kept.request("POST", "/", b"x" * 100_000)
            assert kept.getresponse().read() == b"%d" % (ord("x") * 100_000)
        kept.close()
        print("http.server ok")
        # One program that others start, as by subprocess, with and without the server's descriptors.
        for close in (True, False):
            answer = subprocess.run(["curl", "-sS", "-d", "a", url], capture_output=True, close_fds=close, timeout=20)
            assert answer.stdout == b"97", answer
        print("subprocess ok")
        try:
            import requests
        except ImportError:
            sys.exit("python3-requests is not installed")
        with requests.Session() as session:
            assert all(session.get(url).ok for _ in range(20))
            assert session.post(url, data=b"\1" * 1_000_000).text == "1000000"
        print("requests ok")
        s.shutdown()
        thread.join()
    with xmlrpc.server.SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False) as s:
        s.register_function(pow)
        threading.Thread(target=s.serve_forever, daemon=True).start()
        assert xmlrpc.client.ServerProxy(f"http://127.0.0.1:{s.server_address[1]}").pow(2, 10) == 1024
        s.shutdown()
    print("xmlrpc ok")


def main():
    if len(sys.argv) > 1:
        in_threads(stream_client if sys.argv[1] == "stream" else datagram_client, int(sys.argv[2]))
        return
    serve("TCPServer", socketserver.ThreadingTCPServer, Upper, "stream")
    serve("ForkingTCPServer", socketserver.ForkingTCPServer, Upper, "stream")
    serve("UDPServer", socketserver.UDPServer, UpperDatagram, "datagram")
    serve("ThreadingUDPServer", socketserver.ThreadingUDPServer, UpperDatagram, "datagram")
    serve("ForkingUDPServer", socketserver.ForkingUDPServer, UpperDatagram, "datagram")
    web()


if __name__ == "__main__":
    main()
