"""testcontainers starts redis from an image made here, and talks to it."""

import socket

from testcontainers.core.container import DockerContainer
from testcontainers.core.waiting_utils import wait_for_logs

with DockerContainer("redis").with_exposed_ports(6379) as redis:
    wait_for_logs(redis, "Ready to accept connections", timeout=60)
    host, port = redis.get_container_host_ip(), int(redis.get_exposed_port(6379))
    with socket.create_connection((host, port), timeout=60) as connection:
        connection.sendall(b"SET k v\r\nGET k\r\n")
        answer = b""
        while b"v\r\n" not in answer[5:]:
            answer += connection.recv(100)
    assert answer == b"+OK\r\n$1\r\nv\r\n", answer
    code, output = redis.exec(["redis-cli", "GET", "k"])
    assert code == 0 and output.strip() == b"v", (code, output)
print("all is well")
