#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every public declaration carries a complete docstring: parameters, Returns, Threads, Since and what else fits."""
import re
import sys

import sop_api

problems = []


def check(function):
    comment = function.comment
    if not comment.startswith("/*\n"):
        problems.append(f"{function.where}: no docstring directly above it")
        return
    wanted = ["Threads", "Since"]
    if not re.match(r"SOP_API (SOP_MUST_CHECK )?void ", function.text):
        wanted.append("Returns")
    if re.search(r"(sop_slice|\*\*|const char) ?\*?\*?\w+_out\b", function.text) or re.match(
        r"SOP_API (const|sop_slice)", function.text
    ):
        wanted.append("Lifetime")
    if "SOP_MUST_CHECK" in function.text:
        wanted.append("Cost")
    for label in wanted:
        if not re.search(rf"^ \* {label}: +\S", comment, re.MULTILINE):
            problems.append(f"{function.where}: the docstring lacks {label}:")
    for parameter in function.parameters:
        # A line may explain several: "from, to   the range".
        if not re.search(rf"^ \* (\w+, )*{parameter}(, \w+)*  +\S", comment, re.MULTILINE):
            problems.append(f"{function.where}: the docstring does not explain the parameter {parameter}")
    if "sop_status sop_" in function.text and not re.search(r"Returns:[^:]*SOP_OK", comment):
        problems.append(f"{function.where}: Returns: does not list SOP_OK and the errors")


def main():
    functions = sop_api.functions()
    for function in functions:
        check(function)
    print("\n".join(problems) or f"docs: {len(functions)} public declarations, all documented")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
