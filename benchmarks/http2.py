"""Just enough HTTP/2 to send prebuilt gRPC requests over a raw socket and count the answers.

A client library would cost several times what the server under test does. Everything but the
stream id of a request is built beforehand; headers are HPACK literals without indexing; a header
table of size 0 is asked for, so that the server's are literals too and the status can be found
without decoding.
"""

from __future__ import annotations

import itertools
import socket
import struct
import time
from collections.abc import Iterator, Sequence

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
_HEADER_TABLE_SIZE, _INITIAL_WINDOW_SIZE = 1, 4
_WINDOW = 2**31 - 1
_INITIAL_WINDOW = 65_535
_MAX_FRAME = 16_384
_GOOD_STATUS = b"\x0bgrpc-status\x010"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame: length (24 bits), type, flags, stream id, payload."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: str, value: str) -> bytes:
    """A header as an HPACK literal without indexing (RFC 7541, 6.2.2), not Huffman-coded."""
    return b"\0" + b"".join(_integer(len(text)) + text for text in (name.encode(), value.encode()))


def _integer(number: int) -> bytes:
    """An HPACK integer with a 7-bit prefix (RFC 7541, 5.1)."""
    if number < 127:
        return bytes([number])
    encoded, number = bytearray([127]), number - 127
    while number >= 128:
        encoded.append(number % 128 + 128)
        number //= 128
    encoded.append(number)
    return bytes(encoded)


class Template:
    """A request without its stream id; ``half_open`` leaves room for more messages after it."""

    __slots__ = ("_bytes", "_streams_at", "size")

    def __init__(self, authority: str, path: str, body: bytes, *, half_open: bool = False) -> None:
        headers = b"".join(
            literal(name, value)
            for name, value in (
                (":method", "POST"),
                (":scheme", "http"),
                (":path", path),
                (":authority", authority),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
            )
        )
        head = frame(HEADERS, END_HEADERS, 0, headers)
        message = b"\0" + struct.pack(">I", len(body)) + body
        self.size = len(message)  # what counts against the window
        parts = [head]
        for at in range(0, len(message), _MAX_FRAME):
            last = END_STREAM if at + _MAX_FRAME >= len(message) and not half_open else 0
            parts.append(frame(DATA, last, 0, message[at : at + _MAX_FRAME]))
        self._bytes = b"".join(parts)
        starts = itertools.accumulate((len(part) for part in parts[:-1]), initial=0)
        self._streams_at = [start + 5 for start in starts]

    def request(self, stream: int) -> bytes:
        """The bytes of this request on one stream."""
        filled = bytearray(self._bytes)
        number = stream.to_bytes(4)
        for at in self._streams_at:
            filled[at : at + 4] = number
        return bytes(filled)


class Connection:
    """One connection that keeps a number of requests in flight.

    With a ``pace`` it sends one every so many seconds instead, ``in_flight`` at most; latencies then
    count from when a request was due, so that what waits for a slow server counts, too.
    """

    def __init__(
        self,
        target: str,
        templates: Sequence[Template],
        in_flight: int,
        *,
        pace: float | None = None,
    ) -> None:
        host, _, port = target.rpartition(":")
        self.socket = socket.create_connection((host.strip("[]"), int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        settings = struct.pack(">HIHI", _HEADER_TABLE_SIZE, 0, _INITIAL_WINDOW_SIZE, _WINDOW)
        grow = struct.pack(">I", _WINDOW - _INITIAL_WINDOW)
        self._out = bytearray(
            PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, grow)
        )
        self._in = bytearray()
        self._templates = templates
        self._next = 0
        self._stream = 1
        self._window = _INITIAL_WINDOW  # what we may send
        self._unread = 0  # what the server sent since we last enlarged its window
        self._free = in_flight
        self._pace = pace
        self.due = time.perf_counter()  # when the next request is; only with a pace
        self._started: dict[int, float] = {}
        self._good: set[int] = set()
        self.paused = False
        self.answered = 0
        self.failed = 0
        self.received = 0  # bytes of messages
        self.latencies: list[float] = []

    @property
    def paced(self) -> bool:
        """Whether it waits for a moment to send the next request."""
        return self._pace is not None and self._free > 0 and not self.paused

    @property
    def in_flight(self) -> int:
        """Requests without an answer."""
        return len(self._started)

    def fill(self) -> None:
        """Send as many requests as are free to send."""
        while self._free and not self.paused:
            template = self._templates[self._next % len(self._templates)]
            if template.size > self._window:
                break
            started = time.perf_counter()
            if self._pace is not None:
                if self.due > started:
                    break
                started = self.due
                self.due += self._pace
            self._window -= template.size
            self._out += template.request(self._stream)
            self._started[self._stream] = started
            self._stream += 2
            self._next += 1
            self._free -= 1
        if self._out:
            self.socket.sendall(self._out)
            self._out.clear()

    def receive(self) -> None:
        """Read what has come. Raises `ConnectionError` when the server hangs up."""
        chunk = self.socket.recv(262_144)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        self._in += chunk
        for kind, flags, stream, payload in frames(self._in):
            if kind == DATA:
                self.received += max(0, len(payload) - 5)
                self._unread += len(payload)
            elif kind == HEADERS and _GOOD_STATUS in payload:
                self._good.add(stream)
            if kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM):
                self._answer(stream)
            elif kind not in (DATA, HEADERS):
                self._control(kind, flags, stream, payload)
        if self._unread > _WINDOW // 2:
            self._out += frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", self._unread))
            self._unread = 0

    def _answer(self, stream: int) -> None:
        started = self._started.pop(stream, None)
        if started is None:
            return
        self.latencies.append(time.perf_counter() - started)
        self.answered += 1
        self._free += 1
        if stream in self._good:
            self._good.discard(stream)
        else:
            self.failed += 1

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            self._out += frame(SETTINGS, ACK, 0, b"")
        elif kind == PING and not flags & ACK:
            self._out += frame(PING, ACK, 0, payload)
        elif kind == WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload)
        elif kind == GOAWAY:
            raise ConnectionError(f"the server said goodbye: {payload[8:]!r}")


def frames(buffer: bytearray) -> Iterator[tuple[int, int, int, bytes]]:
    """The whole frames at the start of a buffer, which are taken out: type, flags, stream, payload."""
    at = 0
    while len(buffer) - at >= 9:
        end = at + 9 + int.from_bytes(buffer[at : at + 3])
        if len(buffer) < end:
            break
        stream = int.from_bytes(buffer[at + 5 : at + 9]) & _WINDOW
        yield buffer[at + 3], buffer[at + 4], stream, bytes(buffer[at + 9 : end])
        at = end
    del buffer[:at]
