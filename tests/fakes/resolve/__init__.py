"""A strict DaVinci Resolve in memory, with a switch for each way in which the real one is known to misbehave.

It knows only what dubkit calls and raises on anything else: a wrong argument is a TypeError here, where Resolve would return None.
Semantics follow third-party measurements on 19.1 to 21.1 (see docs/resolve.md); nothing here was compared with Resolve by us.
"""

from tests.fakes.resolve.media import Folder, MediaPool, MediaPoolItem
from tests.fakes.resolve.program import Resolve, World
from tests.fakes.resolve.project import Project, ProjectManager
from tests.fakes.resolve.quirks import Quirks, Stubborn
from tests.fakes.resolve.timeline import Item as TimelineItem
from tests.fakes.resolve.timeline import Timeline, Track

__all__ = [
    "Folder", "MediaPool", "MediaPoolItem", "Project", "ProjectManager", "Quirks", "Resolve", "Stubborn", "Timeline", "TimelineItem", "Track",
    "World",
]  # fmt: skip
