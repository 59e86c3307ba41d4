"""paho for Python, versions 1 and 2, over TLS and WebSocket: AUTHORITY_FILE; the ports are in the environment."""

import os
import queue
import ssl
import sys

import paho.mqtt.client as mqtt

AUTHORITY = sys.argv[1]
TIME_MAX = 15
IS_2 = hasattr(mqtt, "CallbackAPIVersion")
NAME = "paho 2" if IS_2 else "paho 1"
TRANSPORTS = {"tls": ("tcp", True), "ws": ("websockets", False), "wss": ("websockets", True)}


def make(client_id, transport):
    arguments = {"client_id": client_id, "transport": TRANSPORTS[transport][0], "protocol": mqtt.MQTTv5}
    if IS_2:
        arguments["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION2
    client = mqtt.Client(**arguments)
    client.events = queue.Queue()
    client.on_connect = lambda *rest: client.events.put("connected")
    client.on_subscribe = lambda *rest: client.events.put("subscribed")
    client.on_message = lambda client, data, message: client.events.put(message.payload)
    if TRANSPORTS[transport][1]:
        client.tls_set(ca_certs=AUTHORITY, tls_version=ssl.PROTOCOL_TLS_CLIENT)
    client.connect("localhost", int(os.environ[f"{transport}_port"]), keepalive=30)
    client.loop_start()
    assert client.events.get(timeout=TIME_MAX) == "connected"
    return client


def from_to(source, target):
    topic = f"transports/{NAME}/{source}/{target}"
    subscriber = make(f"{NAME}-{target}-subscriber", target)
    subscriber.subscribe(topic, 2)
    assert subscriber.events.get(timeout=TIME_MAX) == "subscribed"
    publisher = make(f"{NAME}-{source}-publisher", source)
    large = os.urandom(1_000_000)
    for qos, payload in [(0, b"0"), (1, b"1"), (2, b"2"), (1, large), (0, b"")]:
        publisher.publish(topic, payload, qos).wait_for_publish()
        assert subscriber.events.get(timeout=TIME_MAX) == payload
    for client in (publisher, subscriber):
        client.disconnect()
        client.loop_stop()


failed = 0
for source in TRANSPORTS:
    for target in TRANSPORTS:
        try:
            from_to(source, target)
            print(f"ok {NAME} from {source} to {target}", flush=True)
        except Exception as error:
            failed += 1
            print(f"FAIL {NAME} from {source} to {target}: {error!r}", flush=True)
sys.exit(failed > 0)
