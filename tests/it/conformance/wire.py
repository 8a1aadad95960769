"""Just enough of Kubernetes' protobuf to speak as client-go does: envelopes, metadata, events of a watch."""

import struct

MAGIC = b"k8s\0"


def field(number, value):
    """A field of text, bytes, or one whole number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def fields(data):
    """All fields of a message, as (number, value): numbers, or bytes."""
    at, found = 0, []

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 0:
            found.append((key >> 3, number()))
        else:
            assert key & 7 == 2, f"a field of type {key & 7}"
            size = number()
            found.append((key >> 3, data[at : at + size]))
            at += size
    return found


def first(data, *path):
    """What is below these numbers, or nothing."""
    for wanted in path:
        data = next((value for number, value in fields(data) if number == wanted), None)
        if data is None:
            return None
    return data


def envelope(version, kind, raw):
    """What client-go sends: who it is, and it."""
    return MAGIC + field(1, field(1, version) + field(2, kind)) + field(2, raw)


def opened(data):
    """Version, kind and content of an envelope."""
    assert data.startswith(MAGIC), data[:80]
    kind = first(data[4:], 1)
    return first(kind, 1).decode(), first(kind, 2).decode(), first(data[4:], 2)


def mapped(number, entries):
    return b"".join(field(number, field(1, key) + field(2, value)) for key, value in entries.items())


def named(name, labels):
    """A message whose metadata, its first field, has a name and labels."""
    return field(1, field(1, name) + mapped(11, labels))


def name(raw):
    return first(raw, 1, 1).decode()


def annotations(raw):
    """Of an object's metadata."""
    entries = [value for number, value in fields(first(raw, 1)) if number == 12]
    return {first(it, 1).decode(): first(it, 2).decode() for it in entries}


def frames(stream):
    """Events of a watch: each frame has its length before it, and says a type and an object in its envelope."""
    rest = b""
    for chunk in stream:
        rest += chunk
        while len(rest) >= 4:
            (size,) = struct.unpack(">I", rest[:4])
            if len(rest) < 4 + size:
                break
            frame, rest = rest[4 : 4 + size], rest[4 + size :]
            yield first(frame, 1).decode(), opened(first(frame, 2, 1))
