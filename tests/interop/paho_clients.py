"""paho for Python, versions 1 and 2, in all three versions of the protocol: HOST PORT."""

import queue
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

HOST, PORT = sys.argv[1], int(sys.argv[2])
TIME_MAX = 15
IS_2 = hasattr(mqtt, "CallbackAPIVersion")
NAME = "paho 2" if IS_2 else "paho 1"
VERSIONS = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311, "5.0": mqtt.MQTTv5}


class Client:
    """A client whose callbacks become queues, which one can wait for."""

    def __init__(self, client_id, version, clean=True, expiry=None, will=None, connect=True):
        self.version = version
        arguments = {"client_id": client_id, "protocol": VERSIONS[version]}
        if version != "5.0":
            arguments["clean_session"] = clean
        if IS_2:
            arguments["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION2
        self.client = mqtt.Client(**arguments)
        self.connected, self.disconnected = queue.Queue(), queue.Queue()
        self.messages, self.subscribed, self.unsubscribed = queue.Queue(), queue.Queue(), queue.Queue()
        self.client.on_connect = self.on_connect
        self.client.on_disconnect = self.on_disconnect
        self.client.on_message = lambda client, data, message: self.messages.put(message)
        self.client.on_subscribe = lambda client, data, mid, granted, *rest: self.subscribed.put(granted)
        self.client.on_unsubscribe = lambda client, data, mid, *rest: self.unsubscribed.put(mid)
        if will:
            self.client.will_set(**will)
        self.keywords = {}
        if version == "5.0":
            self.keywords["clean_start"] = clean
            if expiry is not None:
                properties = Properties(PacketTypes.CONNECT)
                properties.SessionExpiryInterval = expiry
                self.keywords["properties"] = properties
        self.present = None
        if connect:
            self.open()

    def open(self):
        self.client.connect(HOST, PORT, keepalive=30, **self.keywords)
        self.client.loop_start()
        self.present, reason, self.properties = self.connected.get(timeout=TIME_MAX)
        assert code(reason) == 0, f"CONNACK {reason}"

    def on_connect(self, client, data, flags, reason, properties=None):
        present = flags.session_present if IS_2 else bool(flags["session present"])
        self.connected.put((present, reason, properties))

    def on_disconnect(self, client, data, *rest):
        self.disconnected.put(rest)

    def subscribe(self, *arguments, **keywords):
        self.client.subscribe(*arguments, **keywords)
        return [code(granted) for granted in self.subscribed.get(timeout=TIME_MAX)]

    def unsubscribe(self, topic):
        self.client.unsubscribe(topic)
        self.unsubscribed.get(timeout=TIME_MAX)

    def publish(self, *arguments, **keywords):
        self.client.publish(*arguments, **keywords).wait_for_publish(TIME_MAX)

    def receive(self):
        return self.messages.get(timeout=TIME_MAX)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

    def lose(self):
        """Breaks the connection without a DISCONNECT."""
        self.client.loop_stop()
        self.client._sock_close()


def code(reason):
    return getattr(reason, "value", reason)


def shown(message):
    return (message.topic, message.payload.decode(), message.qos, int(message.retain))


def every_qos(version):
    prefix = f"paho/{version}/qos"
    subscriber, publisher = Client(f"s{version}", version), Client(f"p{version}", version)
    assert subscriber.subscribe(prefix, 2) == [2]
    for qos in (0, 1, 2):
        publisher.publish(prefix, f"q{qos}", qos)
        assert shown(subscriber.receive()) == (prefix, f"q{qos}", qos, 0)
    subscriber.close()
    publisher.close()


def many_in_flight(version):
    prefix = f"paho/{version}/many"
    subscriber, publisher = Client(f"ms{version}", version), Client(f"mp{version}", version)
    subscriber.subscribe(prefix, 2)
    last = None
    for number in range(1000):
        last = publisher.client.publish(prefix, str(number), 2)
    last.wait_for_publish(TIME_MAX)
    received = [int(subscriber.receive().payload) for _ in range(1000)]
    assert received == list(range(1000)), "order or loss"
    subscriber.close()
    publisher.close()


def retained(version):
    topic = f"paho/{version}/retained"
    publisher = Client(f"rp{version}", version)
    publisher.publish(topic, "kept", 1, retain=True)
    subscriber = Client(f"rs{version}", version)
    subscriber.subscribe(topic, 1)
    assert shown(subscriber.receive()) == (topic, "kept", 1, 1)
    publisher.publish(topic, "live", 1, retain=True)
    assert shown(subscriber.receive()) == (topic, "live", 1, 0)
    publisher.publish(topic, None, 1, retain=True)
    subscriber.close()
    publisher.close()


def unsubscribed(version):
    topic = f"paho/{version}/unsubscribed"
    client = Client(f"u{version}", version)
    client.subscribe([(topic, 0), (topic + "/sentinel", 0)] if version != "5.0" else
                     [(topic, SubscribeOptions(qos=0)), (topic + "/sentinel", SubscribeOptions(qos=0))])
    client.unsubscribe(topic)
    client.publish(topic, "unwanted", 0)
    client.publish(topic + "/sentinel", "wanted", 0)
    assert client.receive().payload == b"wanted"
    client.close()


def will(version):
    topic = f"paho/{version}/will"
    watcher = Client(f"ww{version}", version)
    watcher.subscribe(topic, 1)
    dying = Client(f"wd{version}", version, will={"topic": topic, "payload": "gone", "qos": 1, "retain": False})
    dying.lose()
    assert shown(watcher.receive()) == (topic, "gone", 1, 0)
    watcher.close()


def session(version):
    topic = f"paho/{version}/session"
    sleeper = Client(f"sleeper{version}", version, clean=False, expiry=60)
    assert not sleeper.present
    sleeper.subscribe(topic, 2)
    sleeper.close()
    publisher = Client(f"sp{version}", version)
    for number, qos in enumerate((1, 2, 1, 2)):
        publisher.publish(topic, f"q{qos} {number}", qos)
    sleeper = Client(f"sleeper{version}", version, clean=False, expiry=0)
    # CONNACK of 3.1 has no flag for it.
    assert sleeper.present or version == "3.1"
    # A QoS 2 message reaches the callback with its PUBREL, after later messages of QoS 1: sorted by QoS, the order holds.
    received = sorted((sleeper.receive().payload for _ in range(4)), key=lambda payload: payload[:2])
    assert received == [b"q1 0", b"q1 2", b"q2 1", b"q2 3"], received
    sleeper.close()
    publisher.close()
    again = Client(f"sleeper{version}", version, clean=True)
    assert not again.present
    again.close()


def taken_over(version):
    first = Client(f"twin{version}", version)
    ended = threading.Event()
    first.client.on_disconnect = lambda *rest: ended.set()
    first.client.reconnect_delay_set(60, 60)
    second = Client(f"twin{version}", version)
    assert ended.wait(TIME_MAX), "the first client stays"
    second.subscribe(f"paho/{version}/twin", 0)
    second.publish(f"paho/{version}/twin", "second", 0)
    assert second.receive().payload == b"second"
    second.close()
    first.client.disconnect()
    first.client.loop_stop()


def options(version):
    if version != "5.0":
        return
    client, other = Client("v5-options", version), Client("v5-other", version)
    client.subscribe("paho/options/local", options=SubscribeOptions(qos=1, noLocal=True))
    client.subscribe("paho/options/flag", options=SubscribeOptions(qos=1, retainAsPublished=True))
    client.publish("paho/options/local", "own", 1)
    client.publish("paho/options/flag", "flagged", 1, retain=True)
    other.publish("paho/options/local", "other", 1)
    assert [shown(client.receive()) for _ in range(2)] == [
        ("paho/options/flag", "flagged", 1, 1),
        ("paho/options/local", "other", 1, 0),
    ]
    client.subscribe("paho/options/flag", options=SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=1))
    client.subscribe("paho/options/flag", options=SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=0))
    assert shown(client.receive()) == ("paho/options/flag", "flagged", 1, 1)
    assert client.messages.empty()
    other.publish("paho/options/flag", None, 1, retain=True)
    client.close()
    other.close()


def properties(version):
    if version != "5.0":
        return
    client = Client("", version)
    assert client.properties.AssignedClientIdentifier
    subscription = Properties(PacketTypes.SUBSCRIBE)
    subscription.SubscriptionIdentifier = 9
    client.subscribe("paho/properties", qos=1, properties=subscription)
    sent = Properties(PacketTypes.PUBLISH)
    sent.ContentType, sent.ResponseTopic, sent.CorrelationData = "text", "answer", b"\0\1"
    sent.UserProperty = [("a", "1"), ("a", "2")]
    sent.MessageExpiryInterval = 100
    client.publish("paho/properties", "x", 1, properties=sent)
    got = client.receive().properties
    assert (got.ContentType, got.ResponseTopic, got.CorrelationData) == ("text", "answer", b"\0\1")
    assert got.UserProperty == [("a", "1"), ("a", "2")] and got.SubscriptionIdentifier == [9]
    assert 0 < got.MessageExpiryInterval <= 100
    client.close()


def main():
    for version in VERSIONS:
        for check in (every_qos, many_in_flight, retained, unsubscribed, will, session, taken_over, options, properties):
            name = f"{NAME} {version} {check.__name__.replace('_', ' ')}"
            if check in (options, properties) and version != "5.0":
                continue
            try:
                check(version)
                print("ok", name, flush=True)
            except Exception as error:
                print("FAIL", name, repr(error), flush=True)


main()
