# SPDX-License-Identifier: MIT
"""A real server on a free loopback port in a folder of its own, and a client for it. Standard library only."""
import base64
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from urllib.parse import quote

SOP = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else "build-dev/sop"


def token(key):
    """A key token: base64url of the key JSON."""
    text = json.dumps(key, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


class Client:
    """One session. Connections are kept alive, as a browser keeps them."""

    def __init__(self, server):
        self.server = server
        self.headers = {}
        self.connection = None

    def raw(self, method, path, body=None, headers=None):
        """(status, headers, bytes)"""
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        sent = {**self.headers, **(headers or {})}
        try:
            try:
                self.connection.request(method, path, body, {k: v for k, v in sent.items() if v is not None})
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before the body was sent: the answer is there all the same
            response = self.connection.getresponse()
            data = response.read()
        except (http.client.HTTPException, OSError):
            self.connection.close()
            self.connection = None
            raise
        return response.status, response.headers, data

    def call(self, method, path, body=None, headers=None):
        """(status, JSON)"""
        sent = dict(headers or {})
        data = None
        if method != "GET":
            sent.setdefault("X-SOP-Request", "1")
        if body is not None:
            data = body if isinstance(body, (str, bytes)) else json.dumps(body, ensure_ascii=False)
            data = data.encode() if isinstance(data, str) else data
            sent.setdefault("Content-Type", "application/json")
        status, _, answer = self.raw(method, "/api/v1" + path, data, sent)
        return status, json.loads(answer) if answer else None

    def get(self, path):
        return self.call("GET", path)

    def login(self, body):
        status, headers, data = self.raw(
            "POST",
            "/api/v1/session",
            json.dumps(body).encode(),
            {"X-SOP-Request": "1", "Content-Type": "application/json"},
        )
        if status == 200:
            self.headers["Cookie"] = headers["Set-Cookie"].split(";")[0]
        return status, json.loads(data)

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Server:
    """sop serve, as a user starts it."""

    def __init__(self, *places, options=(), folder=None, port=0):
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="sop-server-")
        self.env = {
            **os.environ,
            "XDG_STATE_HOME": os.path.join(self.folder, "state"),
            "XDG_CONFIG_HOME": os.path.join(self.folder, "config"),
        }
        self.options = options
        self.places = places
        self.start(port)

    def start(self, port=0):
        command = [SOP, "serve", *self.places, "--json", "--port", str(port), *self.options]
        self.process = subprocess.Popen(
            command, cwd=self.folder, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server did not start: {self.process.stderr.read()}")
        said = json.loads(line)
        self.address = said["address"]
        self.port = int(self.address.rsplit(":", 1)[1])
        self.token = said["token"]

    def client(self):
        """The session of the launch token: only one."""
        c = Client(self)
        status, _ = c.login({"token": self.token})
        assert status == 200, status
        return c

    def kill(self):
        self.process.kill()
        self.end()

    def stop(self):
        self.process.terminate()
        self.end()

    def end(self):
        self.process.wait(60)
        self.process.stdout.close()
        self.errors = self.process.stderr.read()
        self.process.stderr.close()

    def clean(self):
        if self.process.poll() is None:
            self.stop()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def sop(folder, *arguments, text=None):
    """The sop command in a folder; what it prints."""
    done = subprocess.run([SOP, *arguments], cwd=folder, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"sop {' '.join(arguments)}: {done.stderr}")
    return done.stdout


class Case(unittest.TestCase):
    """A server with one database and one store of JSON objects for each test."""

    items = 20
    options = ()
    database = "r/local/d/shop"

    def setUp(self):
        folder = tempfile.mkdtemp(prefix="sop-server-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        lines = "".join(json.dumps({"id": f"k{i:04}", "n": i, "name": f"name {i}"}) + "\n" for i in range(self.items))
        sop(folder, "create", "shop", "--quiet")
        sop(folder, "import", "shop", "things", "--key", "id", "--text", "--quiet", text=lines)
        self.server = Server("shop", options=self.options, folder=folder)
        self.addCleanup(self.server.clean)
        self.client = self.server.client()
        self.addCleanup(self.client.close)

    def items_path(self, store="things"):
        return f"/{self.database}/stores/{quote(store, safe='')}/items"

    def item(self, key, store="things"):
        return self.client.get(f"{self.items_path(store)}/{token(key)}")

    def commit(self, ops, client=None, **more):
        Case.number = getattr(Case, "number", 0) + 1
        body = {"id": f"test-{os.getpid()}-{Case.number}", "ops": ops, **more}
        return (client or self.client).call("POST", f"/{self.database}/commits", body)

    def put(self, key, value, store="things", **more):
        return {"op": "put", "store": store, "k": key, "v": value, **more}
