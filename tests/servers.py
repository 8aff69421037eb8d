"""A server of the web on this machine, for tests of addresses."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """What it has by path, how many bytes of each it has sent, and how it answers.

    Attributes:
        files: content by path.
        ranges: whether answers may begin anywhere.
        breaks: paths of which half is sent.
        refuses: status by path.
        sent: bytes sent, by path.
        asked: methods and paths, in order.
    """

    def __init__(self, address):
        self.address = address
        self.files, self.breaks, self.refuses, self.sent, self.asked = {}, set(), {}, {}, []
        self.ranges = False
        self.encoding = {}


class _Handler(BaseHTTPRequestHandler):
    served: Server

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        served, path = self.served, self.path.partition("?")[0]
        served.asked.append((self.command, self.path))
        content = served.files.get(path)
        if content is None or path in served.refuses:
            self.send_error(served.refuses.get(path, 404))
            return
        start, end = 0, len(content)
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked and served.ranges:
            start, end = int(asked[1]), min(int(asked[2]) + 1, end)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        else:
            self.send_response(200)
        if path in served.encoding:
            self.send_header("Content-Encoding", served.encoding[path])
        self.send_header("Accept-Ranges", "bytes" if served.ranges else "none")
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if not body:
            return
        if path in served.breaks:
            end = start + (end - start) // 2
        for at in range(start, end, 2**14):
            part = content[at : min(at + 2**14, end)]
            try:
                self.wfile.write(part)
            except OSError:  # enough of it
                return
            served.sent[path] = served.sent.get(path, 0) + len(part)
        if path in served.breaks:
            self.close_connection = True


@contextmanager
def serving():
    """Serve on this machine alone."""
    handler = type("Handler", (_Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        handler.served = Server(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield handler.served
        server.shutdown()
        thread.join()
