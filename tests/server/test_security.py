#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What sop serve must refuse, and what must stay inert: test_security.py [SOP]."""
import json
import os
import socket
import subprocess
import time
import unittest

import harness
from harness import SOP, Case, Client, Server, sop

WRITE = {"X-SOP-Request": "1", "Content-Type": "application/json"}


def add_user(folder, name, role, password):
    subprocess.run([SOP, "user", "users.json", name, "--role", role], cwd=folder, input=password + "\n", text=True, check=True)


class Requests(Case):
    def post(self, headers, body=b"{}"):
        return self.client.raw("POST", f"/api/v1/{self.database}/commits", body, headers)[0]

    def test_another_host_name_is_refused(self):
        for host in ("evil.example", f"evil.example:{self.server.port}", "127.0.0.1", "127.0.0.1:1", ""):
            self.assertEqual(421, self.client.raw("GET", "/api/v1/session", None, {"Host": host})[0], host)
            self.assertEqual(421, self.client.raw("GET", "/", None, {"Host": host})[0], host)
        self.assertEqual(200, self.client.raw("GET", "/", None, {"Host": f"localhost:{self.server.port}"})[0])

    def test_another_origin_cannot_write(self):
        for origin in ("http://evil.example", "null", f"https://127.0.0.1:{self.server.port}", "http://127.0.0.1:1"):
            self.assertEqual(403, self.post({**WRITE, "Origin": origin}), origin)
        self.assertEqual(400, self.post({**WRITE, "Origin": self.server.address}))

    def test_another_site_cannot_read(self):
        for site in ("cross-site", "same-site"):
            self.assertEqual(403, self.client.raw("GET", "/api/v1/registries", None, {"Sec-Fetch-Site": site})[0])

    def test_the_header_and_the_type_of_writes_are_required(self):
        self.assertEqual(403, self.post({"Content-Type": "application/json"}))
        self.assertEqual(415, self.post({"X-SOP-Request": "1", "Content-Type": "text/plain"}))
        self.assertEqual(415, self.post({"X-SOP-Request": "1", "Content-Type": "application/jsonp"}))
        self.assertEqual(400, self.post({"X-SOP-Request": "1", "Content-Type": "application/json; charset=utf-8"}))

    def test_without_a_session_nothing_is_told(self):
        stranger = Client(self.server)
        self.addCleanup(stranger.close)
        for path in ("/session", "/registries", "/r/local/databases", f"/{self.database}/stores", "/no/such/thing"):
            self.assertEqual(401, stranger.get(path)[0], path)
        for cookie in ("", "x", "A" * 300, "sop_session=1"):
            stranger.headers = {"Cookie": f"sop_session_{self.server.port}={cookie}"}
            self.assertEqual(401, stranger.get("/session")[0], cookie)
        self.assertEqual(200, stranger.get("/version")[0])

    def test_a_cookie_that_was_changed_is_refused(self):
        name, value = self.client.headers["Cookie"].split("=", 1)
        for i in range(0, len(value), 7):
            other = "A" if value[i] != "A" else "B"
            self.client.headers["Cookie"] = f"{name}={value[:i]}{other}{value[i + 1:]}"
            self.assertEqual(401, self.client.get("/session")[0], i)

    def test_the_launch_token_works_once(self):
        thief = Client(self.server)
        self.addCleanup(thief.close)
        self.assertEqual(401, thief.login({"token": self.server.token})[0])
        for token in ("", "x" * 43, None, 5):
            self.assertEqual(401, thief.login({"token": token})[0])

    def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(self):
        server = Server("shop2", folder=self.server.folder)
        self.addCleanup(server.clean)
        client = Client(server)
        self.addCleanup(client.close)
        _, headers, _ = client.raw("POST", "/api/v1/session", json.dumps({"token": server.token}).encode(), WRITE)
        self.assertIn("HttpOnly", headers["Set-Cookie"])
        self.assertIn("SameSite=Strict", headers["Set-Cookie"])

    def test_bodies_that_are_too_large_are_refused(self):
        body = b'{"id":"' + b"x" * (17 << 20) + b'"}'
        self.assertEqual(413, self.post(WRITE, body))
        self.client.close()
        self.assertEqual(413, self.post({**WRITE, "Content-Length": str(10**15)}, b""))
        self.client.close()

        def chunks():
            for _ in range(20):
                yield b"y" * (1 << 20)

        self.assertEqual(413, self.post(WRITE, chunks()))
        self.client.close()
        self.assertEqual(200, self.client.get("/session")[0])

    def test_bodies_that_are_no_good_json_are_refused(self):
        for body in (b"{", b"[" * 100000, b'{"id":"\xff"}', b"nul", b'{"a":1}{'):
            self.assertEqual(400, self.post(WRITE, body), body[:20])

    def test_odd_targets_are_refused(self):
        for path in ("/api/v1/%", "/api/v1/%zz", "/api/v1/%00", "/api/v1/%ff", "/api/v1" + "/x" * 50, "/api/v1/r/local/d/shop/stores/%2e%2e"):
            self.assertIn(self.client.raw("GET", path)[0], (400, 404), path)
        for path in ("/../etc/passwd", "/..%2f..%2fetc/passwd", "/assets/../index.html", "/%2e%2e/x.js", "//etc/passwd.js"):
            self.assertIn(self.client.raw("GET", path)[0], (400, 404), path)

    def test_other_methods_are_refused(self):
        for method in ("PUT", "OPTIONS", "TRACE", "BREW"):
            self.assertEqual(405, self.client.raw(method, "/api/v1/session")[0])
        self.assertEqual(405, self.client.call("POST", "/registries/local", {})[0])
        self.assertEqual(405, self.client.raw("POST", "/index.html", b"", WRITE)[0])

    def test_what_is_stored_is_never_a_page(self):
        script = "<script>alert(1)</script>"
        self.commit([self.put(script, {"$t": "text", "v": script})])
        _, headers, _ = self.client.raw("GET", f"/api/v1{self.items_path()}/{harness.token(script)}/bytes")
        self.assertEqual(("application/octet-stream", "attachment", "nosniff"),
                         (headers["Content-Type"], headers["Content-Disposition"], headers["X-Content-Type-Options"]))  # fmt: skip
        _, headers, _ = self.client.raw("GET", f"/api/v1{self.items_path()}")
        self.assertEqual(("application/json", "nosniff"), (headers["Content-Type"], headers["X-Content-Type-Options"]))


class Paths(Case):
    def test_folders_outside_the_roots_are_refused(self):
        inside = os.path.join(self.server.folder, "link")
        os.symlink("/etc", inside)
        for url in ("/etc/x", "../x", "link/x", "shop/../../x", "file:/etc/x", "file:../x?sync=off", "/"):
            status, answer = self.client.call("POST", "/r/local/databases", {"name": "x", "url": url, "mode": "create"})
            self.assertEqual((403, "forbidden"), (status, answer["error"]["code"]), url)
            status, answer = self.client.call("POST", f"/{self.database}/jobs", {"kind": "backup", "store": "", "url": url})
            self.assertEqual((403, "forbidden"), (status, answer["error"]["code"]), url)
            registry = {"id": "x", "label": "x", "kind": "local", "databases": [{"name": "x", "url": url}]}
            self.assertNotEqual(201, self.client.call("POST", "/registries", registry)[0], url)

    def test_databases_of_other_kinds_are_not_opened(self):
        for url in ("cassandra://h/k", "redis://h"):
            status, _ = self.client.call("POST", "/r/local/databases", {"name": "x", "url": url, "mode": "open"})
            self.assertEqual(501, status, url)


class ReadOnly(Case):
    options = ("--read-only",)

    def test_nothing_can_be_changed(self):
        self.assertEqual((403, "read_only"), self.code(self.commit([self.put("a", 1)])))
        self.assertEqual((403, "read_only"), self.code(self.client.call("POST", f"/{self.database}/stores", {"name": "x"})))
        self.assertEqual((403, "read_only"), self.code(self.client.call("DELETE", f"/{self.database}/stores/things", {"confirm": "things"})))
        self.assertEqual((403, "read_only"), self.code(self.client.call("DELETE", "/r/local/d/shop?purge=true", {"confirm": "shop"})))
        job = {"kind": "import", "store": "things", "data": '{"k":"a","v":1}'}
        self.assertEqual((403, "read_only"), self.code(self.client.call("POST", f"/{self.database}/jobs", job)))
        self.assertEqual(self.items, self.client.get(self.items_path())[1]["count"])
        self.assertTrue(self.client.get("/session")[1]["read_only"])

    @staticmethod
    def code(answer):
        return answer[0], answer[1]["error"]["code"]


class Users(unittest.TestCase):
    def setUp(self):
        folder = harness.tempfile.mkdtemp(prefix="sop-server-")
        self.addCleanup(harness.shutil.rmtree, folder, ignore_errors=True)
        sop(folder, "create", "shop", "things", "--quiet")
        for name, role in (("vera", "viewer"), ("ed", "editor"), ("ada", "admin")):
            add_user(folder, name, role, f"password of {name}")
        self.bearer = sop(folder, "user", "users.json", "robot", "--role", "editor", "--token").strip()
        self.server = Server("shop", options=("--users", "users.json"), folder=folder)
        self.addCleanup(self.server.clean)

    def login(self, name, password=None):
        client = Client(self.server)
        self.addCleanup(client.close)
        return client, client.login({"user": name, "password": password or f"password of {name}"})[0]

    def test_there_is_no_launch_token_beside_users(self):
        self.assertIsNone(self.server.token)

    def test_passwords_are_argon2id_and_the_file_is_private(self):
        path = os.path.join(self.server.folder, "users.json")
        with open(path, encoding="utf-8") as file:
            users = json.load(file)["users"]
        self.assertTrue(all(u["password"].startswith("$argon2id$") for u in users))
        self.assertEqual(0o600, os.stat(path).st_mode & 0o777)

    def test_wrong_passwords_are_refused_and_slow_down(self):
        started = time.monotonic()
        self.assertEqual(401, self.login("ada", "wrong")[1])
        self.assertEqual(401, self.login("nobody")[1])
        self.assertEqual(401, self.login("ada\0", "password of ada")[1])
        self.assertGreater(time.monotonic() - started, 1)
        self.assertEqual(200, self.login("ada")[1])

    def test_roles_are_enforced_by_the_server(self):
        commit = ("POST", "/r/local/d/shop/commits", {"id": "role-test-1", "ops": [{"op": "put", "store": "things", "k": "a", "v": 1}]})
        make = ("POST", "/r/local/databases", {"name": "x", "url": "x", "mode": "create"})
        drop = ("DELETE", "/r/local/d/shop/stores/things", {"confirm": "things"})
        backup = ("POST", "/r/local/d/shop/jobs", {"kind": "backup", "store": "", "url": "b"})
        importing = ("POST", "/r/local/d/shop/jobs", {"kind": "import", "store": "things", "data": '{"k":"b","v":1}'})
        expected = {
            "vera": (403, 403, 403, 403, 403),
            "ed": (200, 202, 403, 403, 403),
            "ada": (200, 202, 201, 202, 204),
        }
        for name, statuses in expected.items():
            client, status = self.login(name)
            self.assertEqual(200, status)
            self.assertEqual(200, client.get("/r/local/d/shop/stores/things/items")[0])
            met = []
            for method, path, body in (commit, importing, make, backup, drop):
                met.append(client.call(method, path, body)[0])
                time.sleep(0.1)
            self.assertEqual(statuses, tuple(met), name)

    def test_tokens_of_programs(self):
        robot = Client(self.server)
        self.addCleanup(robot.close)
        robot.headers = {"Authorization": f"Bearer {self.bearer}"}
        self.assertEqual(("robot", "editor"), tuple(robot.get("/session")[1][m] for m in ("user", "role")))
        robot.headers = {"Authorization": f"Bearer {self.bearer[:-1]}x"}
        self.assertEqual(401, robot.get("/session")[0])


class Listening(unittest.TestCase):
    def refused(self, *options):
        folder = harness.tempfile.mkdtemp(prefix="sop-server-")
        self.addCleanup(harness.shutil.rmtree, folder, ignore_errors=True)
        add_user(folder, "ada", "admin", "password of ada")
        done = subprocess.run([SOP, "serve", "shop", *options], cwd=folder, capture_output=True, text=True, timeout=20, check=False)
        self.assertNotEqual(0, done.returncode)
        return done.stderr

    def test_beyond_loopback_users_and_tls_are_needed(self):
        self.assertIn("needs users", self.refused("--listen", "0.0.0.0"))
        self.assertIn("needs TLS", self.refused("--listen", "0.0.0.0", "--users", "users.json"))
        self.assertIn("certificate", self.refused("--tls-cert", "x"))

    def test_only_loopback_is_listened_to(self):
        server = Server("shop")
        self.addCleanup(server.clean)
        with open("/proc/net/tcp", encoding="utf-8") as file:
            listening = [line.split()[1] for line in file if line.split()[3] == "0A"]
        mine = [place for place in listening if int(place.split(":")[1], 16) == server.port]
        self.assertEqual(["0100007F"], [place.split(":")[0] for place in mine])


class SlowClients(Case):
    options = ("--receive-timeout", "1")

    def test_a_request_that_never_ends_is_cut(self):
        for start in (b"", b"GET / HT", b"POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 9\r\n\r\n{" % self.server.port):
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as s:
                s.sendall(start)
                started = time.monotonic()
                try:
                    while s.recv(4096):
                        pass
                except ConnectionResetError:
                    pass
                self.assertLess(time.monotonic() - started, 15)

    def test_clients_that_do_not_read_hold_no_snapshot(self):
        value = {"text": "x" * 10000}
        self.commit([self.put(f"big{i}", value) for i in range(500)])
        slow = []
        for _ in range(30):
            s = socket.create_connection(("127.0.0.1", self.server.port), timeout=20)
            self.addCleanup(s.close)
            s.sendall(
                (f"GET /api/v1{self.items_path()}?limit=1000 HTTP/1.1\r\nHost: 127.0.0.1:{self.server.port}\r\n"
                 f"Cookie: {self.client.headers['Cookie']}\r\n\r\n").encode()  # fmt: skip
            )
            s.recv(100)  # the answer is made, and most of it waits
            slow.append(s)
        _, stats = self.client.get(f"/{self.database}/stats")
        self.assertEqual(0, stats["readers"])
        self.assertEqual(200, self.commit([self.put("after", 1)])[0])


if __name__ == "__main__":
    unittest.main(argv=["test_security.py", *harness.sys.argv[1:]])
