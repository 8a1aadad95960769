"""The shop: /order/NAME puts an order into the queue, /done says how many are done."""
import http.server
import os
import signal
import sys

import redis

TOKEN = open("/run/secrets/token").read()


class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/order/"):
            text = redis.ask(os.environ["QUEUE"], "LPUSH", "orders", self.path[7:])
        elif self.path == "/done":
            text = redis.ask(os.environ["DATABASE"], "SCARD", "done")
        else:
            text = "version %s, token of %d letters" % (os.environ["VERSION"], len(TOKEN))
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        print("GET", self.path)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer(("", 8000), Shop).serve_forever()
