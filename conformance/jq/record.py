#!/usr/bin/env python3
"""Records what jq 1.6 answers to expressions.txt, for the tests of crates/delivery.

    record.py [EXPRESSIONS] > recorded.jsonl

Lines of the expressions: `< JSON` is the input of what follows, `! refused` begins what Levada refuses
to compile, `# …` says something, and all else is a query. jq 1.6 must be on the path (Debian 12's is).
"""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SECONDS_MAX = 10
ENVIRONMENT = {"PATH": os.environ["PATH"], "TZ": "UTC", "HOME": "/nonexistent", "LC_ALL": "C"}
ERROR = re.compile(r"^jq: error \(at [^)]*\)(?: \(not a string\))?: (.*)\Z", re.DOTALL)


def expressions(text):
    given, refused = "null", False
    for line in text.split("\n"):
        if line.startswith("< "):
            given, refused = line[2:], False
        elif line == "! refused":
            refused = True
        elif line and not line.startswith("# "):
            yield given, line, refused


def answer(case):
    given, query, refused = case
    recorded = {"input": given, "query": query}
    if refused:
        return recorded | {"refused": True}
    try:
        run = subprocess.run(
            ["jq", "-c", " " + query], input=given.encode(), capture_output=True,
            timeout=SECONDS_MAX, env=ENVIRONMENT,
        )
    except subprocess.TimeoutExpired:
        return recorded | {"endless": True}
    recorded["outputs"] = run.stdout.decode().split("\n")[:-1]
    stderr = run.stderr.decode(errors="replace")
    if run.returncode == 3:
        return {"input": given, "query": query, "no_query": True}
    if run.returncode == 5:
        found = ERROR.match(stderr.removesuffix("\n"))
        recorded["error"] = found[1] if found else stderr
    elif run.returncode < 0:
        recorded["died"] = True
    elif run.returncode:
        recorded["error"] = stderr
    return recorded


def main():
    version = subprocess.run(["jq", "--version"], capture_output=True, check=True).stdout.decode()
    if version.strip() != "jq-1.6":
        sys.exit(f"this is {version.strip()}, not jq-1.6")
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("expressions.txt")
    with ThreadPoolExecutor(2) as pool:
        for recorded in pool.map(answer, expressions(source.read_text())):
            print(json.dumps(recorded, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main()
