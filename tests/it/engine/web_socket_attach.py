"""Attaching over a WebSocket, by docker-py."""

import docker
import websocket

client = docker.from_env(timeout=60)
assert client.ping()

eater = client.containers.create("busybox", ["sh", "-c", "echo ready; echo err >&2; cat"], stdin_open=True)
attached = client.api.attach_socket(
    eater.id, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}, ws=True
)
attached.settimeout(60)
eater.start()
seen = b""
while b"ready\n" not in seen or b"err\n" not in seen:
    seen += attached.recv()
attached.ping("there?")
long = "x" * 100000 + "\n"
attached.send(long)
attached.send_binary(b"last\n")
seen = b""
while not seen.endswith(b"last\n"):
    seen += attached.recv()
assert seen == long.encode() + b"last\n", len(seen)
eater.kill()
try:
    while attached.recv():
        pass
except websocket.WebSocketConnectionClosedException:
    pass
eater.remove(force=True)

# What was written before, and no more.
past = client.containers.run("busybox", "echo past", detach=True)
past.wait()
attached = client.api.attach_socket(past.id, params={"stdout": 1, "logs": 1}, ws=True)
attached.settimeout(60)
assert b"past\n" in attached.recv()
past.remove()

# A page of some web site is not let in.
url = client.api.base_url.replace("http", "ws", 1) + "/containers/nobody/attach/ws"
try:
    websocket.create_connection(url, origin="https://elsewhere.example", timeout=60)
    raise AssertionError("it was let in")
except websocket.WebSocketBadStatusException as error:
    assert error.status_code == 403, error.status_code
try:
    websocket.create_connection(url, timeout=60)
    raise AssertionError("there is no such container")
except websocket.WebSocketBadStatusException as error:
    assert error.status_code == 404, error.status_code
print("all is well")
