"""A steady load: $RATE requests a second to the web page, through this process's own sidecar."""

import os
import time
import urllib.request


def main() -> None:
    """Never ends; a failed request is counted and said once a second."""
    pause, failed, told = 1 / float(os.environ.get("RATE", "10")), 0, time.monotonic()
    while True:
        began = time.monotonic()
        try:
            urllib.request.urlopen("http://web:9080/", timeout=10).read()
        except OSError as problem:
            failed += 1
            if began - told > 1:
                print(f"{failed} requests failed, the last: {problem}", flush=True)
                failed, told = 0, began
        time.sleep(max(0.0, began + pause - time.monotonic()))


if __name__ == "__main__":
    main()
