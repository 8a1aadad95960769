"""As much of a Redis client as the shop needs."""
import socket


def ask(host, *words):
    """Sends one command and returns its answer."""
    with socket.create_connection((host, 6379), 5) as server:
        parts = [str(word).encode() for word in words]
        request = b"*%d\r\n" % len(parts)
        request += b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        server.sendall(request)
        return answer(server.makefile("rb"))


def answer(stream):
    line = stream.readline().rstrip().decode()
    kind, rest = line[:1], line[1:]
    if kind == "$":
        return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode()
    if kind == "*":
        return None if rest == "-1" else [answer(stream) for _ in range(int(rest))]
    return rest
