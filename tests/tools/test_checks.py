#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The checks under tools/ refuse what they are there to refuse: each runs on a small tree with one thing wrong."""
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

LAYERS = "util:\nlow: util\nhigh: util low\ncli: util\n"
PICTURE = "<!-- layers -->\n```\nhigh: util low   above\nlow: util\ncli: util\nutil:   words\n```\n<!-- /layers -->\n"
DOCUMENTED = """/*
 * Do a thing.
 *
 * thing      what to do.
 *
 * Returns:   SOP_OK.
 * Threads:   any.
 * Cost:      O(1).
 * Since:     0.1
 */
SOP_API SOP_MUST_CHECK sop_status sop_do(int thing);
"""
TREE = {
    "layers.txt": LAYERS,
    "ARCHITECTURE.md": PICTURE,
    "src/util/util.c": "",
    "src/low/low.c": '#include "util/bytes.h"\n',
    "src/low/low.h": "",
    "src/high/high.c": '#include "low/low.h"\n#include "util/error.h"\n#include "high/private.h"\n',
    "programs/cli/main.c": '#include "sop/sop.h"\n#include "util/error.h"\n',
    "include/sop/sop.h": DOCUMENTED,
}


class Checks(unittest.TestCase):
    def setUp(self):
        self.tree = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.tree)
        shutil.copytree(ROOT / "tools", self.tree / "tools")
        for name, text in TREE.items():
            self.write(name, text)

    def write(self, name, text):
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run_check(self, *command):
        run = subprocess.run(
            [str(self.tree / "tools" / command[0]), *command[1:]], cwd=self.tree, capture_output=True, text=True, check=False
        )
        return run.returncode, run.stdout + run.stderr

    def refuses(self, message, *command):
        code, output = self.run_check(*command)
        self.assertEqual(code, 1, output)
        self.assertIn(message, output)

    def accepts(self, *command):
        code, output = self.run_check(*command)
        self.assertEqual(code, 0, output)

    def test_layers_accepts_a_good_tree(self):
        self.accepts("check_layers.py")

    def test_layers_refuses_a_room_that_is_not_listed_for_the_includer(self):
        self.write("src/low/low.c", '#include "util/a.h"\n#include "high/high.h"\n')
        self.refuses("src/low/low.c:2: low may not use high", "check_layers.py")

    def test_layers_refuses_a_room_listed_below_its_user(self):
        self.write("layers.txt", LAYERS.replace("low: util\n", "low: util high\n"))
        self.refuses("low uses high, which is not listed above it", "check_layers.py")

    def test_layers_refuses_bare_and_relative_includes(self):
        for header in ("low.h", "../low/low.h"):
            self.write("src/high/high.c", f'#include "{header}"\n')
            self.refuses("is not written", "check_layers.py")

    def test_layers_refuses_a_back_door(self):
        self.write("src/high/high.c", '#include "low/private.h"\n#include "util/a.h"\n')
        self.refuses('"low/private.h" is not the door', "check_layers.py")

    def test_layers_refuses_an_unlisted_folder(self):
        self.write("src/shed/shed.c", "")
        self.refuses("the room shed is missing from layers.txt", "check_layers.py")

    def test_layers_refuses_an_edge_that_is_no_longer_used(self):
        self.write("src/high/high.c", '#include "low/low.h"\n')
        self.refuses("high no longer uses util", "check_layers.py")

    def test_layers_refuses_a_picture_that_differs(self):
        self.write("ARCHITECTURE.md", PICTURE.replace("high: util low", "high: util"))
        self.refuses("differ about high", "check_layers.py")

    def test_docs_accepts_a_complete_docstring(self):
        self.accepts("check_api_docs.py")

    def test_docs_refuses_each_missing_part(self):
        for label in ("Returns", "Threads", "Cost", "Since"):
            lines = [line for line in DOCUMENTED.splitlines() if f"{label}:" not in line]
            self.write("include/sop/sop.h", "\n".join(lines) + "\n")
            self.refuses(f"lacks {label}:", "check_api_docs.py")
        self.write("include/sop/sop.h", DOCUMENTED.replace(" * thing ", " * other "))
        self.refuses("does not explain the parameter thing", "check_api_docs.py")
        self.write("include/sop/sop.h", DOCUMENTED[DOCUMENTED.index("SOP_API") :])
        self.refuses("no docstring", "check_api_docs.py")

    def build_library(self, code):
        """A build folder as CMake lays it out, with one object of the room low."""
        source = self.tree / "x.c"
        source.write_text(code)
        folder = self.tree / "build" / "CMakeFiles" / "sop_low.dir" / "src" / "low"
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / "x.c.o"
        subprocess.run(["gcc", "-O0", "-fPIC", "-fno-builtin", "-c", str(source), "-o", str(target)], check=True)
        library = self.tree / "build" / "libsop.so"
        subprocess.run(["gcc", "-shared", str(target), "-o", str(library)], check=True)

    def test_symbols_compare_exports_with_declarations(self):
        self.build_library("int sop_do(int thing) { return thing; }\n")
        self.accepts("check_symbols.py", "build")
        self.build_library("int sop_do(int thing) { return thing; }\nint sop_more(void) { return 0; }\n")
        self.refuses("sop_more is exported", "check_symbols.py", "build")
        self.build_library("int unused;\n")
        self.refuses("sop_do is declared in include/sop but not exported", "check_symbols.py", "build")

    def test_symbols_refuse_banned_calls(self):
        for call, declaration in (("rand()", "int rand(void);"), ("free(0)", "void free(void *);")):
            self.build_library(f"{declaration}\nint sop_do(int thing) {{ (void){call}; return thing; }}\n")
            self.refuses(f"calls {call.split('(')[0]}:", "check_symbols.py", "build")


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main(verbosity=1)
