"""The test in the container's place: small servers at the addresses that the fake node gave to pods."""

import contextlib
import http.server
import json
import threading

from harness import equal, until


class Asked:
    """A request: who sent it, as TLS knows (a name, or none), and what."""

    def __init__(self, handler, body):
        self.method, self.headers, self.body = handler.command, handler.headers, body
        self.target = handler.path
        self.path, _, self.query = handler.path.partition("?")
        certificate = handler.connection.getpeercert() if hasattr(handler.connection, "getpeercert") else None
        names = [value for part in (certificate or {}).get("subject", []) for key, value in part if key == "commonName"]
        self.peer = names[0] if names else None


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers what `tell(asked)` says: a status, headers, a body (bytes, text, or what becomes JSON)."""

    protocol_version = "HTTP/1.1"
    tell = None

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, headers, body = type(self).tell(Asked(self, body))
        if isinstance(body, str):
            body = body.encode()
        if not isinstance(body, bytes):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Who asked went away."""


@contextlib.contextmanager
def serving(address, port, tell, context=None):
    """A server there while the block runs; with a TLS context, over TLS. Gives its port, which may be chosen (0)."""
    handler = type("Bound", (Handler,), {"tell": staticmethod(tell)})
    server = Server((address, port), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def hostnames(cluster, pods, port):
    """Pods that say their names: each is asked through the API, as the suite waits for pods to respond."""
    with contextlib.ExitStack() as stack:
        for pod in pods:
            name = pod["metadata"]["name"]
            stack.enter_context(serving(pod["status"]["podIP"], port, lambda _, name=name: (200, {}, name)))
        for pod in pods:
            name = pod["metadata"]["name"]
            path = f"/api/v1/namespaces/{cluster.ns}/pods/{name}/proxy/"
            answer = until(f"{name} to answer", lambda: [it for it in [cluster.call("GET", path)] if it.status == 200])[0]
            equal(answer.body.decode(), name)
