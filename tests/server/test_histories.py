#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Commits against power cuts and against each other: test_histories.py [SOP]."""
import json
import os
import random
import threading
import time
import unittest

import harness
from harness import Case, Client, sop

SEED = int(os.environ.get("SOP_TEST_SEED", "0")) or random.randrange(1 << 32)


class PowerCut(Case):
    items = 50

    def test_a_server_killed_in_a_commit_of_fifty_leaves_none_or_all(self):
        rng = random.Random(SEED)
        outcomes = set()
        for round_number in range(12):
            ops = [self.put(f"k{i:04}", {"round": round_number}) for i in range(50)]
            body = json.dumps({"id": f"cut-{round_number:06}", "ops": ops})
            client = Client(self.server)
            client.headers = self.client.headers

            def send(client=client, body=body):
                try:
                    client.call("POST", f"/{self.database}/commits", body)
                except (OSError, harness.http.client.HTTPException):
                    pass  # its server was killed

            sender = threading.Thread(target=send)
            sender.start()
            time.sleep(rng.random() * 0.03)
            self.server.kill()
            sender.join()
            client.close()
            self.client.close()
            self.server.start(self.server.port)
            _, page = self.client.get(f"{self.items_path()}?limit=100")
            changed = sum(1 for item in page["items"] if item["v"].get("round") == round_number)
            self.assertIn(changed, (0, 50), f"seed {SEED}")
            status, again = self.client.call("POST", f"/{self.database}/commits", body)
            self.assertEqual((200, changed == 50), (status, again.get("repeated", False)), f"seed {SEED}")
            outcomes.add(changed)
        print(f"seed {SEED}: {sorted(outcomes)} of 50 were there after a kill")


class Interleavings(Case):
    """Two editors and the sop command, which puts blindly: every acknowledged change is there, or was overwritten by a later
    acknowledged one that had seen it (or by a blind put, which says that it overwrites)."""

    items = 3

    def test_200_interleavings_lose_nothing_silently(self):
        rng = random.Random(SEED)
        print(f"seed {SEED}")
        editors = [Client(self.server), Client(self.server)]
        for editor in editors:
            editor.headers = self.client.headers
            self.addCleanup(editor.close)
        for run in range(200):
            self.one_run(rng, editors, run)

    def one_run(self, rng, editors, run):
        key = f"run{run}"
        fields = ["a", "b", "c"]
        self.assertEqual(200, self.commit([self.put(key, {f: 0 for f in fields})])[0])
        model = dict.fromkeys(fields, 0)
        seen = [self.item(key)[1] for _ in editors]
        for step in range(6):
            who = rng.randrange(3)
            field = rng.choice(fields)
            mine = f"{run}.{step}.{who}"
            if who == 2:
                # The sop command, another process on the same folder: replaces the whole value.
                model[field] = mine
                sop(self.server.folder, "put", "shop", "things", key, json.dumps(model))
                continue
            view = seen[who]
            edit = {"path": f"/{field}", "was": view["v"][field], "v": mine}
            op = {"op": "patch", "store": "things", "k": key, "base": view["ver"], "set": [edit]}
            status, answer = self.commit([op], client=editors[who])
            if status == 200:
                # Nobody may have changed this field since the editor saw it.
                self.assertEqual(model[field], view["v"][field], f"a change was lost silently, seed {SEED}")
                model[field] = mine
            else:
                self.assertEqual(409, status)
                self.assertNotEqual(model[field], view["v"][field], f"a conflict without reason, seed {SEED}")
                self.assertEqual([f"/{field}"], answer["conflicts"][0]["paths"])
                self.assertEqual(model, answer["conflicts"][0]["theirs"])
            if status != 200 or rng.random() < 0.5:
                seen[who] = self.item(key)[1]
        self.assertEqual(model, self.item(key)[1]["v"], f"seed {SEED}")

    def test_writers_at_the_same_time_lose_nothing(self):
        """Threads add to a counter with conditions: the sum is that of the acknowledged additions."""
        self.commit([self.put("counter", {"n": 0})])
        added = [0] * 4

        def work(who):
            client = Client(self.server)
            client.headers = self.client.headers
            for number in range(25):
                while True:
                    _, item = client.get(f"{self.items_path()}/{harness.token('counter')}")
                    op = self.put("counter", {"n": item["v"]["n"] + 1}, base=item["ver"])
                    status, _ = client.call(
                        "POST", f"/{self.database}/commits", {"id": f"count-{who}-{number}-{random.random()}".replace(".", "_"), "ops": [op]}
                    )
                    if status == 200:
                        added[who] += 1
                        break
            client.close()

        threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(([25] * 4, 100), (added, self.item("counter")[1]["v"]["n"]))

    def test_a_database_is_sound_afterwards(self):
        self.one_run(random.Random(SEED), [self.client, self.client], 999)
        self.server.stop()
        sop(self.server.folder, "check", "shop")


if __name__ == "__main__":
    unittest.main(argv=["test_histories.py", *harness.sys.argv[1:]])
