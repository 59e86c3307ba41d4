"""Tokens, logins over HTTP and SCRAM-SHA-256 against a broker of their own, as docs/authentication.md describes them:
BINARY DIRECTORY. Clients are mosquitto's, which know tokens as passwords, and one of MQTT 5.0 in bytes for SCRAM, which theirs do not speak."""

import base64
import hashlib
import hmac
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BINARY, DIRECTORY = sys.argv[1:]
TIME_MAX = 20
SECRET = b"0123456789abcdef0123456789abcdef"
failed = 0


def check(name, expected, actual):
    global failed
    if expected == actual:
        print(f"ok {name}", flush=True)
    else:
        failed += 1
        print(f"FAIL {name}: expected {expected!r}, not {actual!r}", flush=True)


class Login(BaseHTTPRequestHandler):
    """The program that the broker asks. It speaks HTTP/1.0, so that no connection outlives it."""

    def do_POST(self):
        login = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        good = (login.get("user_name"), login.get("password")) == ("anna", "secret")
        answer = {"result": "allow", "acl": {"pub": ["anna/#"], "sub": ["anna/#"]}} if good else {"result": "deny"}
        body = b"garbage" if login.get("user_name") == "garbage" else json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *rest):
        pass


def token(**claims):
    part = lambda value: base64.urlsafe_b64encode(value).rstrip(b"=")
    signed = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return (signed + b"." + part(hmac.new(claims.pop("key", SECRET), signed, hashlib.sha256).digest())).decode()


def publish(port, topic, user, password):
    """The exit code of mosquitto_pub, which with MQTT 5.0 is the reason code of CONNACK; "denied" if PUBACK says so."""
    done = subprocess.run(
        ["mosquitto_pub", "-V", "mqttv5", "-h", "127.0.0.1", "-p", port, "-i", "meter-7", "-q", "1", "-t", topic, "-m", "42"]
        + ["-u", user, "-P", password],
        capture_output=True, timeout=TIME_MAX,
    )  # fmt: skip
    return "denied" if b"Not authorized" in done.stderr and done.returncode == 0 else done.returncode


def text(value):
    return len(value).to_bytes(2, "big") + value


def packet(first, body):
    assert len(body) < 128 * 128
    length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) % 128 | 128, len(body) // 128])
    return bytes([first]) + length + body


class Scram:
    """A client of MQTT 5.0 that logs in by SCRAM-SHA-256 (RFC 5802)."""

    def __init__(self, port):
        self.stream = socket.create_connection(("127.0.0.1", int(port)), timeout=TIME_MAX).makefile("rwb")

    def send(self, bytes_):
        self.stream.write(bytes_)
        self.stream.flush()

    def read(self):
        """Type, reason code and authentication data of an AUTH or CONNACK."""
        first, length, shift = self.stream.read(1), 0, 0
        while True:
            byte = self.stream.read(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        body = self.stream.read(length)
        reason = body[1] if first[0] >> 4 == 2 else body[0] if body else 0
        data = re.search(rb"\x16(..)([rv]=.*)", body, re.DOTALL)
        return first[0] >> 4, reason, data and data[2][: int.from_bytes(data[1], "big")]

    def properties(self, data):
        properties = b"\x15" + text(b"SCRAM-SHA-256") + b"\x16" + text(data)
        assert len(properties) < 128 * 128
        size = len(properties)
        return (bytes([size]) if size < 128 else bytes([size % 128 | 128, size // 128])) + properties

    def exchange(self, password, start, proceed):
        """Returns the type and the reason of the last answer, and whether the server has proved itself."""
        nonce = base64.b64encode(os.urandom(18))
        bare = b"n=anna,r=" + nonce
        start(b"n,," + bare)
        kind, reason, first = self.read()
        if first is None:
            return kind, reason, False
        fields = dict(part.split(b"=", 1) for part in first.split(b","))
        salted = hashlib.pbkdf2_hmac("sha256", password, base64.b64decode(fields[b"s"]), int(fields[b"i"]))
        of = lambda key, value: hmac.new(key, value, hashlib.sha256).digest()
        final = b"c=biws,r=" + fields[b"r"]
        signed = bare + b"," + first + b"," + final
        key = of(salted, b"Client Key")
        proof = bytes(a ^ b for a, b in zip(key, of(hashlib.sha256(key).digest(), signed)))
        proceed(final + b",p=" + base64.b64encode(proof))
        kind, reason, last = self.read()
        return kind, reason, last == b"v=" + base64.b64encode(of(of(salted, b"Server Key"), signed))

    def auth(self, reason, data):
        self.send(packet(0xF0, bytes([reason]) + self.properties(data)))

    def log_in(self, password):
        start = lambda data: self.send(packet(0x10, text(b"MQTT") + b"\x05\x02\x00\x00" + self.properties(data) + text(b"scram")))
        return self.exchange(password, start, lambda data: self.auth(0x18, data))

    def log_in_again(self, password):
        return self.exchange(password, lambda data: self.auth(0x19, data), lambda data: self.auth(0x18, data))


def start(logins):
    path = lambda name: os.path.join(DIRECTORY, name)
    for name, content in [("methods-key", SECRET), ("methods.toml", f"""
[[listeners]]
url = "tcp://127.0.0.1:0"
[listeners.access.jwt]
key_file = "methods-key"
algorithms = ["HS256"]
[[listeners]]
url = "tcp://127.0.0.1:0"
[listeners.access.http]
url = "http://127.0.0.1:{logins}/mqtt"
[[listeners]]
url = "tcp://127.0.0.1:0"
[listeners.access]
scram_file = "methods-scram"
""".encode())]:
        with open(os.open(path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
    subprocess.run([BINARY, "passwd", "--scram", "-c", "-b", path("methods-scram"), "anna", "secret"], check=True, timeout=TIME_MAX)
    log = open(path("methods.log"), "wb")
    command = [BINARY, "serve", "--config", path("methods.toml"), "--no-persistence", "--shards", "2", "--log-format", "json"]
    broker = subprocess.Popen(command, stdout=log, stderr=log)
    deadline = time.monotonic() + TIME_MAX
    while time.monotonic() < deadline and broker.poll() is None:
        with open(path("methods.log")) as file:
            ready = next((line for line in file if "is ready" in line), None)
        if ready:
            return broker, re.findall(r"tcp://127.0.0.1:(\d+)", ready)
        time.sleep(0.02)
    sys.exit(open(path("methods.log")).read())


server = ThreadingHTTPServer(("127.0.0.1", 0), Login)
threading.Thread(target=server.serve_forever, daemon=True).start()
broker, (jwt, http, scram) = start(server.server_port)
try:
    expires = int(time.time()) + 3600
    good = token(sub="meter-7", exp=expires, acl={"pub": ["meters/7/#"]})
    check("a token lets in", 0, publish(jwt, "meters/7/power", "any", good))
    check("a token's rules hold", "denied", publish(jwt, "meters/8/power", "any", good))
    check("a token that has expired", 0x87, publish(jwt, "meters/7/power", "any", token(sub="meter-7", exp=1_000_000_000)))
    check("a token without an end", 0x87, publish(jwt, "meters/7/power", "any", token(sub="meter-7")))
    check("a token that was changed", 0x87, publish(jwt, "meters/7/power", "any", good[:-3] + ("AAA" if good[-3:] != "AAA" else "BBB")))
    check("a password that is no token", 0x86, publish(jwt, "meters/7/power", "any", "secret"))
    check("a login over HTTP", 0, publish(http, "anna/x", "anna", "secret"))
    check("the answer's rules hold", "denied", publish(http, "bert/x", "anna", "secret"))
    check("a login that is denied over HTTP", 0x87, publish(http, "anna/x", "anna", "wrong"))
    check("an answer that is none", 0x88, publish(http, "anna/x", "garbage", "secret"))
    server.shutdown()
    server.server_close()
    check("nobody answers over HTTP", 0x88, publish(http, "anna/x", "bert", "secret"))
    client = Scram(scram)
    check("SCRAM-SHA-256", (2, 0, True), client.log_in(b"secret"))
    check("SCRAM-SHA-256 again while connected", (15, 0, True), client.log_in_again(b"secret"))
    check("SCRAM-SHA-256 again with a wrong password", 14, client.log_in_again(b"wrong")[0])
    check("SCRAM-SHA-256 with a wrong password", (2, 0x87, False), Scram(scram).log_in(b"wrong"))
    log = open(os.path.join(DIRECTORY, "methods.log")).read()
    check("no secret is in the log", [], [secret for secret in ("secret", good, SECRET.decode()) if secret in log])
finally:
    broker.terminate()
    check("SIGTERM ends the broker", 0, broker.wait(TIME_MAX))
sys.exit(failed > 0)
