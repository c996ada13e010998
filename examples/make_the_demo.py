"""Make only the demo film, its dub and the truth about it: python examples/make_the_demo.py [folder]"""

import sys
from pathlib import Path

from dubkit.demo.make import make_demo

files = make_demo(
    Path(sys.argv[1] if len(sys.argv) > 1 else "demo"), lambda done, total: print(f"{done:.0f} %", end="\r")
)
for name in files.__dataclass_fields__:
    print(f"{name}: {getattr(files, name)}")
