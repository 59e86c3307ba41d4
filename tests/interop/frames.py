"""MQTT in WebSocket messages whose borders mean nothing, by the library `websockets` for Python: URL."""

import asyncio
import sys

import websockets

URL = sys.argv[1]
TIME_MAX = 15
CONNECT = b"\x10\x12\x00\x04MQTT\x04\x02\x00\x3c\x00\x06frames"
SUBSCRIBE = b"\x82\x0b\x00\x01\x00\x06frames\x00"
PINGREQ = b"\xc0\x00"


def publish(payload):
    length, size = 8 + len(payload), bytearray()
    while True:
        size.append(length % 128 | (128 if length > 127 else 0))
        length //= 128
        if length == 0:
            return b"\x30" + bytes(size) + b"\x00\x06frames" + payload


def connect():
    return websockets.connect(URL, subprotocols=["mqtt"], max_size=None, compression="deflate", ping_interval=None)


async def read(socket, size):
    data = b""
    while len(data) < size:
        data += await socket.recv()
    return data


async def opened(socket):
    await socket.send(CONNECT + SUBSCRIBE)
    assert await read(socket, 9) == b"\x20\x02\x00\x00\x90\x03\x00\x01\x00"


async def each_byte_in_a_message_of_its_own():
    async with connect() as socket:
        for byte in CONNECT + SUBSCRIBE + publish(b"x"):
            await socket.send(bytes([byte]))
        assert await read(socket, 9 + 11) == b"\x20\x02\x00\x00\x90\x03\x00\x01\x00" + publish(b"x")


async def fragments_with_pings_between_them():
    async with connect() as socket:
        await opened(socket)
        data = publish(b"y" * 300_000)

        async def fragments():
            for start in range(0, len(data), 40_000):
                yield data[start : start + 40_000]
                await (await socket.ping(b"between"))

        await socket.send(fragments())
        assert await read(socket, len(data)) == data


async def many_packets_in_one_message():
    async with connect() as socket:
        await opened(socket)
        data = b"".join(publish(b"%d" % number) for number in range(1_000))
        await socket.send(data)
        assert await read(socket, len(data)) == data


async def empty_messages():
    async with connect() as socket:
        await opened(socket)
        for _ in range(10):
            await socket.send(b"")
        await socket.send(PINGREQ)
        assert await read(socket, 2) == b"\xd0\x00"


async def text_is_refused():
    async with connect() as socket:
        await socket.send("text")
        await socket.wait_closed()
        assert socket.close_code == 1003, socket.close_code


async def a_close_is_answered():
    async with connect() as socket:
        await opened(socket)
        await socket.close(1000)
        assert socket.close_code == 1000, socket.close_code


async def main():
    checks = [
        each_byte_in_a_message_of_its_own,
        fragments_with_pings_between_them,
        many_packets_in_one_message,
        empty_messages,
        text_is_refused,
        a_close_is_answered,
    ]
    for check in checks:
        title = f"WebSocket frames: {check.__name__.replace('_', ' ')}"
        try:
            await asyncio.wait_for(check(), TIME_MAX)
            print("ok", title)
        except Exception as error:
            print("FAIL", title, repr(error))


asyncio.run(main())
