# SPDX-License-Identifier: MIT
"""What include/sop declares: read once here, used by the checks."""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DECLARATION = re.compile(r"^(?P<comment>/\*(?:[^*]|\*(?!/))*\*/\n)?(?P<text>SOP_API\b[^;{]*;)", re.MULTILINE)


class Function:
    """One SOP_API declaration with the comment that stands directly above it ("" if none)."""

    def __init__(self, path, line, text, comment):
        self.path, self.line, self.comment = path, line, comment
        self.text = " ".join(text.split())
        self.name = re.search(r"(sop_\w+)\s*\(", self.text)[1]
        inside = self.text[self.text.index(self.name) + len(self.name) :].strip().rstrip(";")
        arguments = inside[1:-1].strip()
        self.parameters = []
        if arguments != "void":
            for argument in arguments.split(","):
                self.parameters.append(re.search(r"(\w+)\s*(\[\w*\])?$", argument.strip())[1])

    @property
    def where(self):
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.name}"


def functions():
    found = []
    for path in sorted((ROOT / "include" / "sop").glob("*.h")):
        text = path.read_text()
        for match in DECLARATION.finditer(text):
            line = text.count("\n", 0, match.start("text")) + 1
            found.append(Function(path, line, match["text"], match["comment"] or ""))
    return found
