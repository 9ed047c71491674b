"""`weft serve` again and again, each time a fresh process: forked after the imports, which are most of a start.

Each line on standard input asks for one; its end is told by a line on standard output.
"""

import asyncio
import os
import sys
from pathlib import Path

from weft.cli.serving import prepare

prepare()

from weft.controlplane.config import ServeConfig, address  # noqa: E402
from weft.controlplane.main import run  # noqa: E402

home = Path(sys.argv[1])
any_port = address("127.0.0.1:0")
for _ in sys.stdin:
    child = os.fork()
    if not child:
        asyncio.run(run(ServeConfig(home=home, api=any_port, xds=any_port, enroll=any_port, metrics=any_port)))
        os._exit(0)
    os.waitpid(child, 0)
    print("ended", flush=True)
