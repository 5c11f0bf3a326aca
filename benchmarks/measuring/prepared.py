"""`python -m benchmarks.measuring.prepared MODULE PROGRAM WARM_SECONDS SECONDS [ARGUMENT...]`: runs a program of a shipped
language in this process again and again and prints the times as JSON, in CPU seconds of this thread. The program is read once."""

from __future__ import annotations

import importlib
import io
import json
import sys
import time

from benchmarks.measuring.child import measure


def main() -> None:
    module_name, path, warm_seconds, seconds = sys.argv[1:5]
    run = importlib.import_module(f"{module_name}.__main__").prepare([path, *sys.argv[5:]])
    stdout, sys.stdout = sys.stdout, io.StringIO()

    def run_quietly() -> None:
        sys.stdout.seek(0)
        sys.stdout.truncate()
        run()

    try:
        result = measure(run_quietly, float(warm_seconds), float(seconds), time.thread_time)
        result["output"] = sys.stdout.getvalue()
    finally:
        sys.stdout = stdout
    print(json.dumps(result))


if __name__ == "__main__":
    main()
