"""docker-py's own high-level API against `teu engine`."""

import io
import tarfile
import threading
import time

import docker

client = docker.from_env(timeout=60)
assert client.ping()
assert client.version()["Os"] == "linux"
assert client.info()["OSType"] == "linux"

# Images.
image = client.images.get("busybox")
assert "busybox:latest" in image.tags
assert image.tag("local/py", "1")
assert "local/py:1" in [tag for one in client.images.list() for tag in one.tags]
assert image.history()
saved = b"".join(client.images.get("local/py:1").save(named="local/py:1"))
client.images.remove("local/py:1")
assert any("local/py:1" in one.tags for one in client.images.load(saved))
try:
    client.images.get("nosuchimage")
    raise AssertionError("an image that is not there was found")
except docker.errors.ImageNotFound:
    pass

# Building.
context = io.BytesIO()
with tarfile.open(fileobj=context, mode="w") as tar:
    for name, text in [("Dockerfile", "FROM busybox\nCOPY f /f\nCMD cat /f\n"), ("f", "from a build")]:
        entry = tarfile.TarInfo(name)
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text.encode()))
context.seek(0)
built, lines = client.images.build(fileobj=context, custom_context=True, tag="local/built:py")
assert any("Successfully built" in line.get("stream", "") for line in lines)
assert client.containers.run("local/built:py", remove=True) == b"from a build"
try:
    client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN exit 3\n"))
    raise AssertionError("a build that fails succeeded")
except docker.errors.BuildError:
    pass

# Events, from before what follows.
events = client.events(decode=True, filters={"type": "container", "container": "py"})
seen = []
listener = threading.Thread(target=lambda: seen.extend(event["Action"] for event in events))
listener.start()

# Containers.
assert client.containers.run("busybox", "echo hello", remove=True) == b"hello\n"
assert client.containers.run("busybox", ["sh", "-c", "echo err >&2"], stderr=True, remove=True) == b"err\n"
try:
    client.containers.run("busybox", "sh -c 'exit 5'", remove=True)
    raise AssertionError("a container that fails succeeded")
except docker.errors.ContainerError as error:
    assert error.exit_status == 5
try:
    client.containers.run("nosuchimage:here", "true")
    raise AssertionError("an image that is not there ran")
except docker.errors.APIError:
    pass
one = client.containers.run(
    "busybox", "sh -c 'echo begun; sleep 1000'", name="py", detach=True, labels={"k": "v"},
    environment={"A": "b"}, mem_limit="64m", ports={"80/tcp": ("127.0.0.1", None)}, init=True,
)
assert client.containers.get("py").id == one.id
assert [c.name for c in client.containers.list(filters={"label": "k=v"})] == ["py"]
one.reload()
assert one.status == "running"
assert one.ports["80/tcp"][0]["HostIp"] == "127.0.0.1"
assert next(one.logs(stream=True, follow=True)) == b"begun\n"
assert one.top()["Processes"]
assert one.stats(stream=False)["memory_stats"]["usage"] > 0
assert next(one.stats(decode=True))["id"] == one.id
one.update(mem_limit="128m", memswap_limit="256m")
one.pause()
one.unpause()
one.rename("renamed")
one.rename("py")
assert one.diff() is None or isinstance(one.diff(), list)

# Exec.
code, output = one.exec_run("sh -c 'echo $A; exit 4'")
assert (code, output) == (4, b"b\n")
code, (out, err) = one.exec_run("sh -c 'echo o; echo e >&2'", demux=True)
assert (code, out, err) == (0, b"o\n", b"e\n")
assert b"terminal" in one.exec_run("sh -c 'test -t 1 && echo terminal'", tty=True).output
assert b"".join(one.exec_run("echo streamed", stream=True).output) == b"streamed\n"
_, sock = one.exec_run("cat", stdin=True, socket=True)
sock._sock.sendall(b"typed\n")
assert sock._sock.recv(8)[:1] == b"\x01"
assert sock._sock.recv(6) == b"typed\n"
sock.close()

# Files.
data = io.BytesIO()
with tarfile.open(fileobj=data, mode="w") as tar:
    entry = tarfile.TarInfo("put")
    entry.size = 3
    tar.addfile(entry, io.BytesIO(b"put"))
assert one.put_archive("/tmp", data.getvalue())
stream, stat = one.get_archive("/tmp/put")
assert stat["name"] == "put" and stat["size"] == 3
with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
    assert tar.extractfile("put").read() == b"put"
assert b"".join(one.export())[257:262] == b"ustar"
assert one.commit("local/committed", "py").tags == ["local/committed:py"]

# Attach.
eater = client.containers.create("busybox", "cat", stdin_open=True)
attached = eater.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
eater.start()
attached._sock.sendall(b"eaten\n")
assert attached._sock.recv(8)[:1] == b"\x01"
assert attached._sock.recv(6) == b"eaten\n"
attached.close()
eater.remove(force=True)

# Networks.
network = client.networks.create("py-net", driver="bridge", labels={"n": "1"})
network.connect(one, aliases=["alias"])
network.reload()
assert [c.name for c in network.containers] == ["py"]
network.disconnect(one)
assert [n.name for n in client.networks.list(names=["py-net"])] == ["py-net"]
network.remove()

# Volumes.
volume = client.volumes.create("py-vol", labels={"v": "1"})
client.containers.run("busybox", "touch /data/x", volumes={"py-vol": {"bind": "/data", "mode": "rw"}}, remove=True)
assert client.volumes.get("py-vol").attrs["Labels"] == {"v": "1"}
assert client.volumes.list(filters={"label": "v=1"})
volume.remove()

# The end.
one.stop(timeout=0)
assert one.wait()["StatusCode"] in (137, 143)
one.start()
one.kill()
one.wait()
one.remove()
# What happened last is told last, and comes when it comes.
deadline = time.monotonic() + 60
while "destroy" not in seen:
    assert time.monotonic() < deadline, seen
    time.sleep(0.05)
events.close()
listener.join(60)
for action in ["create", "start", "die", "destroy", "pause", "rename"]:
    assert action in seen, (action, seen)
assert "ContainersDeleted" in client.containers.prune()
assert "SpaceReclaimed" in client.images.prune()
assert "VolumesDeleted" in client.volumes.prune()
assert "NetworksDeleted" in client.networks.prune()
assert client.df()["Images"]
print("all is well")
