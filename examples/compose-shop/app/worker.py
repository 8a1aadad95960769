"""Takes orders from the queue and writes them into the database."""
import os
import pathlib
import signal
import sys

import redis

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
pathlib.Path("/tmp/ready").touch()
while True:
    taken = redis.ask(os.environ["QUEUE"], "BRPOP", "orders", 2)
    if taken:
        redis.ask(os.environ["DATABASE"], "SADD", "done", taken[1])
        print("done:", taken[1])
