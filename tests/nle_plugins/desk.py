"""An editor's desk: a fake Resolve with film_a's manner of cutting, an installed mailbox, a worker and the menu scripts."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

from dubkit.nle.plugins import get
from tests.fakes.dubber import FakeDubber
from tests.fakes.films import make_film
from tests.fakes.lua_host import Host
from tests.fakes.resolve import Quirks, World

get("resolve").load()
PACKAGE = "dubkit_nle_plugins.resolve"
RATES = {
    "23.976": (Fraction(24000, 1001), 86400),
    "25": (Fraction(25), 90000),
    "29.97DF": (Fraction(30000, 1001), 107892),
    "29.97NDF": (Fraction(30000, 1001), 108000),
    "59.94": (Fraction(60000, 1001), 215784),
    "25 from zero": (Fraction(25), 0),
}


def module(name: str):
    """A module of the plug-in resolve."""
    import importlib

    return sys.modules.get(f"{PACKAGE}.{name}") or importlib.import_module(f"{PACKAGE}.{name}")


class Desk:
    def __init__(self, folder: Path, film: Path, rate: Fraction, start: int, quirks: Quirks | None = None, **settings):
        self.folder, self.world = folder, World(rate, start, quirks)
        install = module("install")
        self.scripts = folder / "Fusion/Scripts/Utility"
        install.install(folder / "mailbox", self.scripts, timeout=60, language="es", handles=4, **settings)
        self.mailbox = module("mailbox").Mailbox(folder / "mailbox")
        self.dubber = FakeDubber()
        self.worker = module("worker").Worker(self.mailbox, module("settings").load(self.mailbox.folder), self.dubber)
        self.world.renderer = self.render
        self.film = self.world.media(str(film))
        self.world.pool.root.clips.append(self.film)

    def cut(self) -> None:
        """Nine clips with gaps on V1 and A1, a title above, one slow clip, marks and markers of the editor's own."""
        world = self.world
        video, audio, titles = world.track("video"), world.track("audio"), world.track("video")
        at = 0
        for n, (source, length) in enumerate(
            [(10, 8), (18, 6), (60, 9), (30, 7), (45, 5), (80, 10), (5, 6), (70, 6), (40, 8)]
        ):
            for track in (video, audio):
                world.put(track, at, length, self.film, source, f"shot {n}", link=n + 1, speed=0.5 if n == 7 else 1.0)
            at += length + (3 if n in (2, 5) else 0)
        world.put(titles, 4, 12, None, name="title", generator=True)
        dub = world.track("audio", "Dub es")
        world.put(dub, 0, at, self.film, 0, "dialogo")
        world.timeline.AddMarker(0, "Blue", "mine", "", 1, "")
        world.timeline.AddMarker(2, "Blue", "mine too", "", 1, "somebody else's")

    def render(self, timeline, first: int, past: int, path: Path) -> None:
        """What Resolve would render of the slow clip: its frames, each shown twice."""
        make_film(path, timeline.rate, past - first)

    def host(self, restricted: bool = True, serving: bool = True) -> Host:
        return Host(self.world, restricted=restricted, on_wait=self.worker.step if serving else lambda: None)

    def run(self, name: str = "Dubkit.lua", **how) -> list[str]:
        return self.host(**how).run(self.scripts / name)


def frame_numbers(path: str, first: int, count: int) -> list[int]:
    from tests.fakes.films import numbers

    return numbers(Path(path))[first : first + count]
