#!/usr/bin/python3
"""A stand-in for turnpike for the benchmark's own tests: it approves all, and stores nothing.

STUB_CODE is the code of its answers (0), STUB_STATUS its exit status (0).
"""

import http.server
import json
import os
import signal
import sys
import threading

CODE = int(os.environ.get("STUB_CODE", "0"))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body leave together
    disable_nagle_algorithm = True
    seen = set()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.answer_cc(body) if self.path == "/api/cc" else {}
        data = json.dumps(answer).encode("ascii")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def answer_cc(self, body):
        unique = (body["transaction_type"], body["transaction_unique_id"])
        if unique in self.seen:
            return {"code": 3001}
        self.seen.add(unique)
        return {"code": CODE, "reference": "SLFF0000000000000001"}

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 4096

    def handle_error(self, request, client_address):
        """A load generator hangs up when its time is over."""


def main():
    data = sys.argv[sys.argv.index("--data") + 1]
    os.makedirs(data, exist_ok=True)
    server = Server(("127.0.0.1", 0), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    url = "http://127.0.0.1:%d" % server.server_address[1]
    print(f"ready {url} admin {url}", flush=True)
    server.serve_forever()
    return int(os.environ.get("STUB_STATUS", "0"))


if __name__ == "__main__":
    sys.exit(main())
