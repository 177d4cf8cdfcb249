#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The REST API of sop serve, asked over HTTP: test_api.py [SOP]."""
import gzip
import http.client
import json
import os
import socket
import threading
import time
import unittest
from urllib.parse import quote

import harness
from harness import Case, Client, Server, sop, token


class Places(Case):
    def test_the_session_names_the_role(self):
        status, session = self.client.get("/session")
        self.assertEqual((200, "admin", False), (status, session["role"], session["read_only"]))

    def test_a_folder_shows_as_a_database_of_the_local_environment(self):
        _, answer = self.client.get("/registries")
        self.assertEqual(["local"], [r["id"] for r in answer["registries"]])
        _, answer = self.client.get("/r/local/databases")
        self.assertEqual([("shop", "ok", 1)], [(d["name"], d["health"], d["stores"]) for d in answer["databases"]])

    def test_databases_are_created_renamed_and_purged(self):
        status, made = self.client.call("POST", "/r/local/databases", {"name": "new", "url": "beside", "mode": "create"})
        self.assertEqual((201, "standalone"), (status, made["mode"]))
        self.assertTrue(os.path.exists(os.path.join(self.server.folder, "beside", "SOP")))
        status, _ = self.client.call("POST", "/r/local/databases", {"name": "new", "url": "other", "mode": "create"})
        self.assertEqual(409, status)
        status, made = self.client.call("PATCH", "/r/local/d/new", {"name": "newer", "description": "d"})
        self.assertEqual((200, "newer", "d"), (status, made["name"], made["description"]))
        status, _ = self.client.call("DELETE", "/r/local/d/newer?purge=true", {"confirm": "wrong"})
        self.assertEqual(400, status)
        status, _ = self.client.call("DELETE", "/r/local/d/newer?purge=true", {"confirm": "newer"})
        self.assertEqual(204, status)
        self.assertFalse(os.path.exists(os.path.join(self.server.folder, "beside")))

    def test_forgetting_a_database_keeps_its_data(self):
        self.assertEqual(204, self.client.call("DELETE", "/r/local/d/shop", {"confirm": "shop"})[0])
        self.assertEqual(404, self.client.get("/r/local/d/shop")[0])
        status, _ = self.client.call("POST", "/r/local/databases", {"name": "shop", "url": "shop", "mode": "open"})
        self.assertEqual(201, status)
        self.assertEqual(self.items, self.client.get(self.items_path())[1]["count"])

    def test_a_folder_that_another_process_has_open_is_shared_or_says_that_it_cannot_be(self):
        sop(self.server.folder, "create", "second", "--quiet")
        other = Server("second", folder=self.server.folder)
        self.addCleanup(other.clean)
        user = other.client()
        self.addCleanup(user.close)
        user.get("/r/local/databases")
        status, answer = self.client.call(
            "POST", "/r/local/databases", {"name": "second", "url": "second", "mode": "open"}
        )
        self.assertIn(status, (201, 503))
        if status == 503:
            self.assertEqual("busy", answer["error"]["code"])
        self.assertEqual(200, self.client.get(self.items_path())[0])

    def test_an_empty_folder_is_a_place_for_a_first_database(self):
        server = Server("empty")
        self.addCleanup(server.clean)
        client = server.client()
        self.addCleanup(client.close)
        self.assertEqual([], client.get("/r/local/databases")[1]["databases"])
        status, _ = client.call("POST", "/r/local/databases", {"name": "first", "url": "first", "mode": "create"})
        self.assertEqual(201, status)
        self.assertTrue(os.path.exists(os.path.join(server.folder, "empty", "first", "SOP")))

    def test_environments_of_the_registry_file(self):
        path = os.path.join(self.server.folder, "registry.json")
        shop = os.path.join(self.server.folder, "shop")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(
                {
                    "environments": [
                        {"id": "prod", "label": "Production", "color": "red", "write": "arm",
                         "databases": [{"name": "shop", "url": shop}]},
                        {"id": "swarm", "label": "Swarm", "kind": "swarm",
                         "databases": [{"name": "x", "url": "redis://somewhere"}]},
                    ]
                },
                file,
            )  # fmt: skip
        self.server.stop()
        server = Server(options=("--registry", path), folder=self.server.folder)
        self.addCleanup(server.clean)
        client = server.client()
        self.addCleanup(client.close)
        _, answer = client.get("/registries")
        self.assertEqual(["ok", "unsupported"], [r["health"] for r in answer["registries"]])
        _, answer = client.get("/r/swarm/databases")
        self.assertEqual("unsupported", answer["databases"][0]["health"])
        self.assertIn("not supported by this build", answer["databases"][0]["message"])
        op = {"op": "put", "store": "things", "k": "new", "v": 1}
        status, answer = client.call("POST", "/r/prod/d/shop/commits", {"id": "arm-test-1", "ops": [op]})
        self.assertEqual((403, "not_armed"), (status, answer["error"]["code"]))
        status, answer = client.call("PATCH", "/registries/prod", {"armed": True})
        self.assertEqual((200, True), (status, answer["armed"]))
        self.assertEqual(200, client.call("POST", "/r/prod/d/shop/commits", {"id": "arm-test-1", "ops": [op]})[0])
        status, _ = client.call("POST", "/registries", {"id": "two", "label": "Two", "kind": "local"})
        self.assertEqual(201, status)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(["prod", "swarm", "two"], [e["id"] for e in json.load(file)["environments"]])
        self.assertEqual(204, client.call("DELETE", "/registries/two")[0])

    def test_statistics(self):
        status, stats = self.client.get(f"/{self.database}/stats")
        self.assertEqual(200, status)
        self.assertIn("segment_bytes", stats)


class Stores(Case):
    def test_stores_are_created_described_renamed_and_dropped(self):
        stores = f"/{self.database}/stores"
        name = 'a/b <img onerror="x">'
        status, made = self.client.call("POST", stores, {"name": name, "description": "d", "key": {"form": "bytes"}})
        self.assertEqual((201, "d", "bytes"), (status, made["description"], made["key"]["form"]))
        self.assertEqual(422, self.client.call("POST", stores, {"name": name})[0])
        self.assertEqual(422, self.client.call("POST", stores, {"name": "sop:mine"})[0])
        status, answer = self.client.call("POST", f"{stores}:validate", {"name": "", "key": {"parts": [{"name": "x"}]}})
        self.assertEqual((422, ["/name", "/key/parts/0"]), (status, [p["path"] for p in answer["problems"]]))
        self.assertEqual(204, self.client.call("POST", f"{stores}:validate", {"name": "good"})[0])
        path = f"{stores}/{quote(name, safe='')}"
        status, made = self.client.call("PATCH", path, {"name": "plain", "description": "e"})
        self.assertEqual((200, "plain", "e", "bytes"), (status, made["name"], made["description"], made["key"]["form"]))
        self.assertEqual(404, self.client.get(path)[0])
        self.assertEqual(400, self.client.call("DELETE", f"{stores}/plain", {"confirm": "other"})[0])
        self.assertEqual(204, self.client.call("DELETE", f"{stores}/plain", {"confirm": "plain"})[0])
        self.assertEqual(["things"], [s["name"] for s in self.client.get(stores)[1]["stores"]])

    def test_the_shape_counts_fields_and_types(self):
        self.commit([self.put("x", {"n": "text", "only": None}), self.put("raw", {"$t": "text", "v": "no JSON"})])
        _, shape = self.client.get(f"/{self.database}/stores/things/shape?sample=100")
        fields = {f["name"]: f for f in shape["fields"]}
        self.assertEqual({"number": 20, "string": 1}, fields["n"]["types"])
        self.assertEqual({"null": 1}, fields["only"]["types"])
        self.assertEqual(1, shape["values"]["text"])


class Documents(Case):
    SPEC = {
        "name": "people",
        "kind": "document",
        "document": {
            "key": {"path": "id", "type": "int64"},
            "rules": [{"path": "age", "type": "integer", "min": 0}],
            "indexes": [{"name": "by_mail", "fields": [{"path": "mail", "type": "string"}], "unique": True}],
        },
    }

    def setUp(self):
        super().setUp()
        status, self.made = self.client.call("POST", f"/{self.database}/stores", self.SPEC)
        self.assertEqual((201, "document"), (status, self.made["kind"]), self.made)

    @staticmethod
    def key(number):
        return {"$t": "tuple", "v": [number]}

    def person(self, number, **fields):
        return self.put(self.key(number), {"id": number, **fields}, store="people")

    def test_a_document_store_shows_its_key_rules_and_indexes(self):
        _, store = self.client.get(f"/{self.database}/stores/people")
        self.assertEqual("by_mail", store["document"]["indexes"][0]["name"])
        self.assertEqual(1, len(store["document"]["rules"]))
        path = f"/{self.database}/stores/people/indexes"
        status, store = self.client.call("POST", path, {"name": "by_age", "fields": [{"path": "age", "type": "int64"}]})
        self.assertEqual((201, 2), (status, len(store["document"]["indexes"])))
        self.assertEqual(204, self.client.call("DELETE", f"{path}/by_age")[0])
        self.assertEqual(404, self.client.call("DELETE", f"{path}/by_age")[0])

    def test_a_bad_key_is_named(self):
        spec = {"name": "x", "kind": "document", "document": {"key": {"path": "id", "type": "nothing"}}}
        status, answer = self.client.call("POST", f"/{self.database}/stores:validate", spec)
        self.assertEqual((422, "/document/key"), (status, answer["problems"][0]["path"]))

    def test_documents_are_edited_like_any_item_and_undone(self):
        self.assertEqual(200, self.commit([self.person(i, mail=f"m{i}", age=i) for i in range(1, 6)])[0])
        _, page = self.client.get(self.items_path("people"))
        self.assertEqual([self.key(i) for i in range(1, 6)], [i["k"] for i in page["items"]])
        item = page["items"][1]
        edit = {"op": "patch", "store": "people", "k": item["k"], "base": item["ver"], "set": [{"path": "/mail", "was": "m2", "v": "x"}]}
        status, answer = self.commit([edit, {"op": "delete", "store": "people", "k": self.key(3)}])
        self.assertEqual(200, status, answer)
        _, inverse = self.client.call("POST", f"/{self.database}/commits/{answer['commit']['id']}:inverse")
        self.assertEqual(200, self.commit(inverse["ops"])[0])
        self.assertEqual(page["items"], self.client.get(self.items_path("people"))[1]["items"])

    def test_rules_keys_and_unique_indexes_are_problems_of_their_operation(self):
        self.commit([self.person(1, mail="a", age=1)])
        for op in (
            self.person(2, mail="b", age=-1),
            self.person(2, mail="a", age=1),
            self.put(self.key(2), {"id": 3}, store="people"),
            self.put(self.key(2), {"$t": "text", "v": "no JSON"}, store="people"),
            self.put("text", {"id": 4}, store="people"),
        ):
            status, answer = self.commit([self.person(9, mail="z"), op])
            self.assertEqual((422, 1), (status, answer["problems"][0]["op"]), answer)
        self.assertEqual(1, self.client.get(self.items_path("people"))[1]["count"])


class Items(Case):
    items = 500

    def page(self, query=""):
        status, page = self.client.get(self.items_path() + query)
        self.assertEqual(200, status, page)
        return page

    def keys(self, query):
        return [i["k"] for i in self.page(query)["items"]]

    def test_pages_by_rank_percentage_and_key(self):
        page = self.page("?rank=100&limit=3")
        self.assertEqual((["k0100", "k0101", "k0102"], 100, 500), ([i["k"] for i in page["items"]], page["rank"], page["count"]))
        self.assertEqual(["k0250"], self.keys("?at=0.5&limit=1"))
        self.assertEqual(["k0499"], self.keys("?at=1"))
        self.assertEqual([], self.keys("?rank=500"))
        page = self.page(f"?key={token('k0007')}&limit=1")
        self.assertEqual((True, 7), (page["found"], page["rank"]))
        page = self.page(f"?key={token('k0007x')}&limit=1")
        self.assertEqual((False, 8), (page["found"], page["rank"]))
        page = self.page(f"?key={token('zzz')}&limit=1")
        self.assertEqual((False, 499), (page["found"], page["rank"]))

    def test_cursors_walk_the_whole_store_both_ways(self):
        seen, cursor = [], ""
        while cursor is not None:
            page = self.page(f"?limit=97{cursor and '&after=' + cursor}")
            seen += [i["k"] for i in page["items"]]
            cursor = page["next"]
        self.assertEqual([f"k{i:04}" for i in range(500)], seen)
        page = self.page("?at=1")
        back = [page["items"][-1]["k"]]
        while page["prev"] is not None:
            page = self.page(f"?limit=100&before={page['prev']}")
            back = [i["k"] for i in page["items"]] + back
        self.assertEqual(seen, back)

    def test_a_page_stays_where_it_is_while_others_insert_before_it(self):
        cursor = self.page("?limit=10")["next"]
        self.commit([self.put(f"a{i}", 1) for i in range(50)])
        self.assertEqual("k0010", self.keys(f"?limit=1&after={cursor}")[0])

    def test_filters(self):
        def found(*conditions):
            keys, cursor = [], ""
            where = quote(json.dumps(conditions))
            while cursor is not None:
                page = self.page(f"?where={where}{cursor and '&after=' + cursor}")
                keys += [i["k"] for i in page["items"]]
                cursor = page["next"]
            return keys

        self.assertEqual(["k0007"], found({"path": "/n", "op": "eq", "v": 7}))
        self.assertEqual(498, len(found({"path": "/n", "op": "ge", "v": 2})))
        self.assertEqual(["k0000", "k0001"], found({"path": "/n", "op": "lt", "v": 1.5}))
        self.assertEqual(["k0499"], found({"path": "/name", "op": "eq", "v": "name 499"}))
        self.assertEqual(["k0499"], found({"path": "$any", "op": "contains", "v": "NAME 499"}))
        self.assertEqual(10, len(found({"path": "$key", "op": "prefix", "v": "k012"})))
        self.assertEqual(500, len(found({"path": "/name", "op": "exists"})))
        self.assertEqual([], found({"path": "/name", "op": "missing"}))
        self.assertEqual(["k0030"], found({"path": "/n", "op": "ge", "v": 30}, {"path": "/n", "op": "le", "v": 30}))

    def test_fields_cut_objects_but_keep_the_version(self):
        whole = self.page("?limit=1")["items"][0]
        cut = self.page("?limit=1&fields=/n")["items"][0]
        self.assertEqual(({"n": 0}, True, whole["ver"]), (cut["v"], cut["cut"], cut["ver"]))

    def test_large_values_come_as_a_preview_and_whole_on_demand(self):
        text = json.dumps({"x": "y" * 20000})
        self.commit([{"op": "put", "store": "things", "k": "big", "v": json.loads(text)}])
        item = self.page(f"?key={token('big')}&limit=1")["items"][0]
        self.assertEqual(("big", "json", 256), (item["v"]["$t"], item["v"]["of"], len(item["v"]["preview"])))
        self.assertEqual(json.loads(text), self.item("big")[1]["v"])
        _, headers, data = self.client.raw("GET", f"/api/v1{self.items_path()}/{token('big')}/bytes", None, {"Range": "bytes=2-4"})
        self.assertEqual((b'x":', "attachment"), (data, headers["Content-Disposition"]))

    def test_ndjson_on_request(self):
        _, headers, data = self.client.raw("GET", f"/api/v1{self.items_path()}?limit=5", None, {"Accept": "application/x-ndjson"})
        self.assertEqual(5, len([json.loads(line) for line in data.splitlines()]))
        self.assertEqual("application/x-ndjson", headers["Content-Type"])

    def test_bad_questions_are_refused_by_name(self):
        for query, status in (
            ("?limit=0", 400), ("?limit=1001", 400), ("?rank=-1", 400), ("?at=1.5", 400), ("?after=!", 400),
            ("?key=!", 400), ("?where=[", 400), ("?where=[{}]", 400), ("?rank=1&at=0.5", 400), ("?as_of=3", 501),
        ):  # fmt: skip
            self.assertEqual(status, self.client.get(self.items_path() + query)[0], query)
        self.assertEqual(404, self.client.get(self.items_path("nothing"))[0])
        self.assertEqual(404, self.item("nothing")[0])


class Bytes(Case):
    """Keys and values that are hard to carry: what comes in is what lies there and what goes out."""

    KEYS = ["plain", 'quote " and \\', "emoji 🎉", "עברית", {"$t": "tuple", "v": [1, "a", None, True]},
            {"$t": "tuple", "v": [{"$t": "double", "v": "1.5"}, -9007199254740993]},
            {"$t": "tuple", "v": [{"$t": "uuid", "v": "01234567-89ab-cdef-0123-456789abcdef"}]},
            {"$t": "tuple", "v": [18446744073709551615, {"$t": "decimal", "v": "1.1"}]},
            {"$t": "bytes", "v": "AAH_"}]  # fmt: skip
    VALUES = ['{"a":9007199254740993,"b":-0,"c":1e400,"d":"00123","e":null,"f":"","g":1.10}', '{ "spaced" :\t1 }',
              '"text"', "12", "null", '{"$t":"json","v":{"$t":"mine"}}', '{"$t":"text","v":"not { JSON"}',
              '{"$t":"bytes","v":"_wD-"}', '{"a":"<img onerror=1>\\"><script>","b":"&#39;"}', '"\\ud800"']  # fmt: skip

    def test_values_come_back_byte_by_byte(self):
        for i, value in enumerate(self.VALUES):
            body = f'{{"id":"bytes-{i:04}","ops":[{{"op":"put","store":"things","k":"v{i}","v":{value}}}]}}'
            status, answer = self.client.call("POST", f"/{self.database}/commits", body)
            self.assertEqual(200, status, answer)
            _, _, data = self.client.raw("GET", f"/api/v1{self.items_path()}/{token(f'v{i}')}")
            self.assertIn(f'"v":{value},"ver"'.encode(), data)

    def test_keys_come_back_in_their_canonical_form(self):
        for key in self.KEYS:
            self.assertEqual(200, self.commit([self.put(key, 1)])[0], key)
            status, item = self.item(key)
            self.assertEqual((200, key), (status, item["k"]))

    def test_ten_megabytes_of_json(self):
        value = {"rows": [{"i": i, "text": "x" * 80} for i in range(100000)]}
        self.assertEqual(200, self.commit([self.put("huge", value)])[0])
        self.assertEqual(value, self.item("huge")[1]["v"])


class Commits(Case):
    def ver(self, key):
        return self.item(key)[1]["ver"]

    def test_many_operations_are_one_commit(self):
        ops = [
            {"op": "patch", "store": "things", "k": "k0001", "base": self.ver("k0001"),
             "set": [{"path": "/name", "was": "name 1", "v": "new"}, {"path": "/more", "v": [1]}],
             "unset": [{"path": "/n", "was": 1}]},
            {"op": "delete", "store": "things", "k": "k0002", "base": self.ver("k0002")},
            {"op": "insert", "store": "things", "k": "new", "v": {"a": 1}},
            {"op": "put", "store": "things", "k": "k0003", "base": self.ver("k0003"), "v": "whole"},
        ]  # fmt: skip
        status, answer = self.commit(ops, message="four")
        self.assertEqual((200, 4, "four"), (status, answer["commit"]["items"], answer["commit"]["message"]))
        self.assertGreater(answer["commit"]["seq"], 0)
        self.assertEqual({"id": "k0001", "name": "new", "more": [1]}, self.item("k0001")[1]["v"])
        self.assertEqual((404, {"a": 1}, "whole"), (self.item("k0002")[0], self.item("new")[1]["v"], self.item("k0003")[1]["v"]))
        self.assertEqual(answer["items"][0]["ver"], self.ver("k0001"))

    def test_a_conflict_writes_nothing_and_shows_their_value(self):
        base = self.ver("k0001")
        self.commit([self.put("k0001", {"name": "theirs"})])
        mine = {"op": "patch", "store": "things", "k": "k0001", "base": base, "set": [{"path": "/name", "was": "name 1", "v": "mine"}]}
        status, answer = self.commit([self.put("k0005", 5), mine])
        conflict = answer["conflicts"][0]
        self.assertEqual((409, 1, "changed", ["/name"]), (status, conflict["op"], conflict["kind"], conflict["paths"]))
        self.assertEqual(({"name": "theirs"}, self.ver("k0001")), (conflict["theirs"], conflict["theirs_ver"]))
        self.assertEqual("you" if "USER" not in os.environ else os.environ["USER"], conflict["by"]["author"])
        self.assertEqual("name 5", self.item("k0005")[1]["v"]["name"])

    def test_other_fields_merge_and_strict_does_not(self):
        base = self.ver("k0001")
        self.commit([{"op": "patch", "store": "things", "k": "k0001", "base": base, "set": [{"path": "/n", "was": 1, "v": 100}]}])
        edit = {"op": "patch", "store": "things", "k": "k0001", "base": base, "set": [{"path": "/name", "was": "name 1", "v": "x"}]}
        self.assertEqual(409, self.commit([edit], merge="strict")[0])
        status, answer = self.commit([edit])
        self.assertEqual((200, True), (status, answer["items"][0]["merged"]))
        self.assertEqual({"id": "k0001", "n": 100, "name": "x"}, self.item("k0001")[1]["v"])

    def test_all_kinds_of_conflict(self):
        self.commit([{"op": "delete", "store": "things", "k": "k0001"}])
        status, answer = self.commit([
            {"op": "insert", "store": "things", "k": "k0002", "v": 1},
            {"op": "delete", "store": "things", "k": "k0001", "base": "0" * 16},
            {"op": "put", "store": "things", "k": "k0003", "base": "0" * 16, "v": 1},
            {"op": "put", "store": "things", "k": "k0004", "base": None, "v": 1},
            {"op": "patch", "store": "things", "k": "gone", "base": "0" * 16, "set": [{"path": "/a", "v": 1}]},
        ])  # fmt: skip
        self.assertEqual(409, status)
        self.assertEqual(["exists", "deleted", "changed", "exists", "deleted"], [c["kind"] for c in answer["conflicts"]])

    def test_problems_name_the_operation(self):
        status, answer = self.commit([
            self.put("a", 1), self.put("a", 2),
        ])  # fmt: skip
        self.assertEqual((422, 1), (status, answer["problems"][0]["op"]))
        status, answer = self.commit([
            {"op": "patch", "store": "things", "k": "k0001", "base": self.ver("k0001"), "set": [{"path": "/no/where", "v": 1}]},
        ])  # fmt: skip
        self.assertEqual(422, status)
        self.commit([self.put("k0001", {"$t": "text", "v": '{"a":1,"a":2}'})])
        status, answer = self.commit([
            {"op": "patch", "store": "things", "k": "k0001", "base": self.ver("k0001"), "set": [{"path": "/a", "v": 3}]},
        ])  # fmt: skip
        self.assertEqual(422, status)
        self.assertEqual(404, self.commit([self.put("a", 1, store="nothing")])[0])
        self.assertEqual(403, self.commit([self.put("a", 1, store="sop:history")])[0])
        for bad in ({}, {"op": "put"}, {"op": "put", "store": "things", "k": ""}, {"op": "put", "store": "things", "k": "a"}):
            self.assertEqual(422, self.commit([bad])[0], bad)

    def test_the_same_id_again_writes_nothing(self):
        body = {"id": "same-id-1", "ops": [self.put("a", 1)]}
        _, first = self.client.call("POST", f"/{self.database}/commits", body)
        self.commit([self.put("a", 2)])
        status, again = self.client.call("POST", f"/{self.database}/commits", body)
        self.assertEqual((200, True, first["items"]), (status, again["repeated"], again["items"]))
        self.assertEqual(2, self.item("a")[1]["v"])
        body["ops"][0]["v"] = 3
        status, answer = self.client.call("POST", f"/{self.database}/commits", body)
        self.assertEqual((409, "exists"), (status, answer["error"]["code"]))

    def test_a_dry_run_checks_and_writes_nothing(self):
        status, answer = self.commit([self.put("a", 1)], dry_run=True)
        self.assertEqual((200, None), (status, answer["commit"]))
        self.assertEqual(404, self.item("a")[0])

    def test_undo_restores_every_byte(self):
        spaced = '{ "name" : "spaced", "n":1.10,"e":"\\u00e9" }'
        self.client.call("POST", f"/{self.database}/commits",
                         '{"id":"undo-0000","ops":[{"op":"put","store":"things","k":"k0001","v":%s}]}' % spaced)  # fmt: skip
        before = {f"k{i:04}": self.bytes(f"k{i:04}") for i in range(1, 4)}
        ops = [{"op": "patch", "store": "things", "k": k, "base": self.ver(k), "set": [{"path": "/name", "was": self.item(k)[1]["v"]["name"], "v": "x"}]} for k in before]
        _, answer = self.commit(ops + [{"op": "insert", "store": "things", "k": "new", "v": 1}])
        done = answer["commit"]["id"]
        _, inverse = self.client.call("POST", f"/{self.database}/commits/{done}:inverse")
        status, answer = self.commit(inverse["ops"], undoes=done)
        self.assertEqual(200, status, answer)
        self.assertEqual(before, {k: self.bytes(k) for k in before})
        self.assertEqual(404, self.item("new")[0])
        _, listed = self.client.get(f"/{self.database}/commits")
        self.assertEqual([done, answer["commit"]["id"]], [listed["commits"][0]["undoes"], listed["commits"][1]["undone_by"]])

    def test_undo_meets_later_changes_as_conflicts(self):
        _, answer = self.commit([self.put("k0001", 1), self.put("k0002", 2)])
        self.commit([self.put("k0002", "later")])
        _, inverse = self.client.call("POST", f"/{self.database}/commits/{answer['commit']['id']}:inverse")
        status, answer = self.commit(inverse["ops"])
        self.assertEqual((409, ["k0002"]), (status, [c["k"] for c in answer["conflicts"]]))

    def bytes(self, key):
        return self.client.raw("GET", f"/api/v1{self.items_path()}/{token(key)}/bytes")[2]

    def test_the_list_of_commits_goes_on_page_by_page(self):
        made = [self.commit([self.put("a", i)])[1]["commit"]["id"] for i in range(7)]
        seen, cursor = [], ""
        while cursor is not None:
            _, answer = self.client.get(f"/{self.database}/commits?limit=3{cursor and '&before=' + cursor}")
            seen += [c["id"] for c in answer["commits"]]
            cursor = answer["next"]
        self.assertEqual(made[::-1], seen)
        _, one = self.client.get(f"/{self.database}/commits/{made[3]}")
        self.assertEqual([{"store": "things", "k": "a", "before": 2, "after": 3}], one["changes"])


class Events(Case):
    def listen(self, last=None):
        """The events met, in a list that grows."""
        client = Client(self.server)
        client.headers = {**self.client.headers, **({"Last-Event-ID": str(last)} if last else {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        connection.request("GET", f"/api/v1/{self.database}/events", headers=client.headers)
        response = connection.getresponse()
        events, arrived = [], threading.Condition()

        def read():
            name = None
            while line := response.readline():
                if line.startswith(b"event:"):
                    name = line[6:].strip().decode()
                if line.startswith(b"data:"):
                    with arrived:
                        events.append((name, json.loads(line[5:])))
                        arrived.notify()

        def end():
            connection.sock.shutdown(socket.SHUT_RDWR)
            reader.join()
            connection.close()

        def await_event(name, count=1):
            with arrived:
                self.assertTrue(arrived.wait_for(lambda: len([e for e in events if e[0] == name]) >= count, 15), events)
                return [e[1] for e in events if e[0] == name]

        reader = threading.Thread(target=read)
        reader.start()
        self.addCleanup(end)
        await_event("hello")
        return await_event

    def test_commits_stores_and_jobs_are_told(self):
        await_event = self.listen()
        self.commit([self.put("k0001", 1), {"op": "delete", "store": "things", "k": "k0002"}])
        event = await_event("commit")[0]
        things = [s for s in event["stores"] if s["store"] == "things"][0]
        self.assertEqual({"k0001": "put", "k0002": "delete"}, {i["k"]: i["op"] for i in things["items"]})
        self.assertEqual((19, self.item("k0001")[1]["ver"]), (things["count"], things["items"][0]["ver"]))
        self.client.call("POST", f"/{self.database}/stores", {"name": "more"})
        self.assertIn({"store": "more", "change": "created"}, await_event("store", 2))
        self.client.call("POST", f"/{self.database}/jobs", {"kind": "check", "store": ""})
        await_event("job")

    def test_what_another_process_commits_is_told(self):
        await_event = self.listen()
        sop(self.server.folder, "put", "shop", "things", "k0001", '{"by":"another"}')
        items = await_event("commit")[0]["stores"][0]["items"]
        self.assertEqual([{"k": "k0001", "op": "put", "ver": self.item("k0001")[1]["ver"]}], items)

    def test_a_stream_resumes_behind_the_last_event(self):
        _, first = self.commit([self.put("k0001", 1)])
        _, second = self.commit([self.put("k0002", 2)])
        client = Client(self.server)
        client.headers = {**self.client.headers, "Last-Event-ID": str(first["commit"]["seq"])}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        connection.request("GET", f"/api/v1/{self.database}/events", headers=client.headers)
        self.addCleanup(connection.close)
        for line in connection.getresponse():
            if line.startswith(b"data:") and b'"seq"' in line:
                self.assertEqual(second["commit"]["seq"], json.loads(line[5:])["seq"])
                break

    def test_forgetting_a_database_ends_its_streams(self):
        self.listen()
        started = time.monotonic()
        self.assertEqual(204, self.client.call("DELETE", "/r/local/d/shop", {"confirm": "shop"})[0])
        self.assertLess(time.monotonic() - started, 30)


class Jobs(Case):
    items = 300

    def run_job(self, **body):
        status, job = self.client.call("POST", f"/{self.database}/jobs", body)
        self.assertEqual(202, status, job)
        while job["state"] == "running":
            time.sleep(0.02)
            _, job = self.client.get(f"/{self.database}/jobs/{job['id']}")
        return job

    def file_of(self, job):
        return self.client.raw("GET", f"/api/v1/{self.database}/jobs/{job['id']}/file")[2].decode()

    def all_bytes(self, store):
        return sorted((i["k"], i["ver"]) for i in self.client.get(f"{self.items_path(store)}?limit=1000")[1]["items"])

    def test_what_is_exported_can_be_imported(self):
        self.commit([self.put("weird", {"$t": "bytes", "v": "_wD-"}), self.put("lines", {"$t": "text", "v": '{"a":\n1}'})])
        for form in ("ndjson", "json"):
            text = self.file_of(self.run_job(kind="export", store="things", format=form))
            self.client.call("POST", f"/{self.database}/stores", {"name": form})
            job = self.run_job(kind="import", store=form, format=form, data=text)
            self.assertEqual(("done", 302), (job["state"], job["changed"]))
            self.assertEqual(self.all_bytes("things"), self.all_bytes(form))

    def test_tables(self):
        data = 'sku,price,name,live\nA1,1.50,"a, ""quoted"" name",true\nA2,007,,false\n'
        job = self.run_job(kind="import", store="things", format="csv", key="sku", data=data)
        self.assertEqual(("done", 2), (job["state"], job["changed"]), job)
        self.assertEqual({"sku": "A1", "price": 1.5, "name": 'a, "quoted" name', "live": True}, self.item("A1")[1]["v"])
        self.assertEqual({"sku": "A2", "price": "007", "live": False}, self.item("A2")[1]["v"])
        text = self.file_of(self.run_job(kind="export", store="things", format="tsv"))
        self.assertEqual("key\tsku\tprice\tname\tlive\tid\tn", text.splitlines()[0])
        self.assertEqual('A1\tA1\t1.50\t"a, ""quoted"" name"\ttrue\t\t', text.splitlines()[1])

    def test_an_import_is_one_commit_that_can_be_undone(self):
        before = self.all_bytes("things")
        job = self.run_job(kind="import", store="things", format="ndjson", data='{"k":"k0001","v":1}\n{"k":"new","v":2}\n')
        _, inverse = self.client.call("POST", f"/{self.database}/commits/{job['commits'][0]}:inverse")
        self.assertEqual(200, self.commit(inverse["ops"])[0])
        self.assertEqual(before, self.all_bytes("things"))

    def test_a_bad_record_is_named_and_nothing_is_written(self):
        before = self.all_bytes("things")
        job = self.run_job(kind="import", store="things", format="ndjson", data='{"k":"a","v":1}\n{"k":"b"}\n')
        self.assertEqual(("failed", "record 2: it has no v"), (job["state"], job["error"]))
        job = self.run_job(kind="import", store="things", format="csv", data='key,a\nx,"1\n')
        self.assertEqual("failed", job["state"])
        self.assertEqual(before, self.all_bytes("things"))

    def test_check_and_backup(self):
        self.assertEqual("done", self.run_job(kind="check", store="")["state"])
        self.assertEqual("done", self.run_job(kind="backup", store="", url="copy")["state"])
        self.assertIn("300", sop(self.server.folder, "count", "copy", "things"))


class Restart(Case):
    def test_a_session_and_a_stream_outlive_a_restart(self):
        _, answer = self.commit([self.put("k0001", 1)])
        self.server.stop()
        self.assertEqual("", self.server.errors)
        self.server.start(self.server.port)
        self.client.close()
        self.assertEqual((200, 1), (self.client.get("/session")[0], self.item("k0001")[1]["v"]))
        _, again = self.client.get(f"/{self.database}/commits")
        self.assertEqual([answer["commit"]["id"]], [c["id"] for c in again["commits"]])

    def test_a_closed_session_is_over(self):
        self.assertEqual(204, self.client.call("DELETE", "/session")[0])
        self.assertEqual(401, self.client.get("/session")[0])


class Page(Case):
    def test_the_page_and_its_files(self):
        status, headers, data = self.client.raw("GET", "/r/local/d/shop/s/things?at=1", None, {"Cookie": None})
        self.assertEqual((200, True), (status, b'<div id="app">' in data))
        self.assertNotIn("unsafe-inline", headers["Content-Security-Policy"])
        script = data.decode().split('src="')[1].split('"')[0]
        status, headers, plain = self.client.raw("GET", script)
        self.assertEqual((200, True), (status, "immutable" in headers["Cache-Control"]))
        _, zipped_headers, zipped = self.client.raw("GET", script, None, {"Accept-Encoding": "gzip"})
        self.assertEqual(("gzip", plain), (zipped_headers["Content-Encoding"], gzip.decompress(zipped)))
        self.assertEqual(304, self.client.raw("GET", script, None, {"If-None-Match": headers["ETag"]})[0])
        self.assertEqual(404, self.client.raw("GET", "/assets/nothing.js")[0])


if __name__ == "__main__":
    unittest.main(argv=["test_api.py", *harness.sys.argv[1:]])
