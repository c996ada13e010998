"""Placing and taking back in Python, for Studio: the same steps as the Lua script, line for line where it matters.

Runs inside Resolve's own Python (3.7 or later), so it imports nothing but the standard library and nothing of dubkit. Every answer
of Resolve may be None; hasattr is True for any name there, so what a version lacks is found by ``attempt``.
"""

from __future__ import annotations

import re

TAG = "dubkit:1:"


class Stopped(Exception):
    """The script cannot go on; the message is for the editor."""


def attempt(thing, name, *arguments):
    """Calls a method that this version may not have; None where it has not."""
    try:
        return getattr(thing, name)(*arguments)
    except (AttributeError, TypeError):
        return None


def slashes(path):
    return str(path or "").replace("\\", "/")


def safe(text):
    return re.sub(r"[^A-Za-z0-9-]", "-", str(text or ""))


class Sequence:
    """The current timeline and what surrounds it. ``media``: the folder of dubbed media. ``say`` takes texts."""

    def __init__(self, resolve, media, say=print):
        self.resolve, self.media, self.say = resolve, slashes(media), say
        self.manager = resolve.GetProjectManager()
        self.project = self.manager and self.manager.GetCurrentProject()
        self.timeline = self.project and self.project.GetCurrentTimeline()
        if not self.timeline:
            raise Stopped("open a timeline first")
        self.pool = self.project.GetMediaPool()
        self.uid, self.origin = self.timeline.GetUniqueId(), int(self.timeline.GetStartFrame())

    # ------------------------------------------------------------------------------------------- what is there already

    def items(self, kind, index):
        return self.timeline.GetItemListInTrack(kind, index) or []

    def indices(self, kind):
        return range(1, int(self.timeline.GetTrackCount(kind)) + 1)

    def track_named(self, kind, name):
        return next((i for i in self.indices(kind) if self.timeline.GetTrackName(kind, i) == name), None)

    def is_ours(self, item):
        if not item.GetUniqueId():
            return True  # a dead item: Resolve lists it, but nothing is there
        media = item.GetMediaPoolItem()
        return bool(media) and self.is_our_media(media)

    def is_our_media(self, clip):
        return slashes((clip.GetClipProperty() or {}).get("File Path")).startswith(self.media + "/")

    def item_at(self, kind, index, clip):
        for item in self.items(kind, index):
            if (
                item.GetStart() == self.origin + clip["at"]
                and item.GetDuration() == clip["length"]
                and item.GetUniqueId()
            ):
                return item
        return None

    def placed(self, plan):
        """How many of the plan's clips stand on our tracks as they should."""
        names, count = {t["id"]: t["name"] for t in plan["tracks"]}, 0
        for clip in plan["clips"]:
            index = self.track_named(clip["kind"], names[clip["track"]])
            count += bool(index and self.item_at(clip["kind"], index, clip))
        return count

    def has_mark(self, plan):
        return bool(self.timeline.GetMarkerByCustomData(TAG + plan["key"]))

    def unchanged(self, plan):
        """Whether every clip that was dubbed is still where it was."""
        if plan["origin"] != self.origin:
            return False
        return all(
            any(
                i.GetStart() == self.origin + w["at"] and i.GetDuration() == w["length"]
                for i in self.items("video", w["track"])
            )
            for w in plan["witness"]
        )

    # ------------------------------------------------------------------------------------------------------ taking back

    def take_back(self, key):
        """Removes everything that belongs to one key and nothing else. False where something of it has to stay."""
        clean = True
        for kind in ("video", "audio"):
            for index in reversed(self.indices(kind)):
                name = self.timeline.GetTrackName(kind, index) or ""
                if name.startswith("Dubkit ") and name[-8:] == key[:8]:
                    clean = self.delete_track(kind, index, name) and clean
        if clean:
            self.delete_markers(TAG + key)
        for folder in self.pool.GetRootFolder().GetSubFolderList() or []:
            if folder.GetName() == "Dubkit " + key[:8]:
                clean = self.delete_bin(folder) and clean
        return clean

    def delete_track(self, kind, index, name):
        if not all(self.is_ours(item) for item in self.items(kind, index)):
            self.say(f"track '{name}' holds clips that dubkit did not place; it stays")
            return False
        return bool(self.timeline.DeleteTrack(kind, index))

    def delete_markers(self, tag):
        for marker in list((self.timeline.GetMarkers() or {}).values()):
            data = marker.get("customData") or ""
            if data.startswith(tag):
                self.timeline.DeleteMarkerByCustomData(data)

    def delete_bin(self, folder):
        clips = list(folder.GetClipList() or [])
        if folder.GetSubFolderList():
            return False
        for clip in clips:
            if not self.is_our_media(clip) or str((clip.GetClipProperty() or {}).get("Usage")) != "0":
                self.say(f"bin '{folder.GetName()}' is still in use; it stays")
                return False
        if clips and not (self.pool.DeleteClips(clips) or self.pool.DeleteClips(clips)):  # its first try can fail
            return False
        return bool(self.pool.DeleteFolders([folder]))

    def undo(self):
        """Takes back everything that dubkit placed on this timeline."""
        keys = set()
        for marker in (self.timeline.GetMarkers() or {}).values():
            match = re.match(r"dubkit:1:([0-9a-f]+)", marker.get("customData") or "")
            if match:
                keys.add(match.group(1))
        for kind in ("video", "audio"):  # also what a placement left that was cut short before its marker
            for index in self.indices(kind):
                match = re.match(r"Dubkit [A-Za-z0-9-]+ ([0-9a-f]{8})$", self.timeline.GetTrackName(kind, index) or "")
                if match and not any(key.startswith(match.group(1)) for key in keys):
                    keys.add(match.group(1))
        clean = all([self.take_back(key) for key in sorted(keys)])
        if not keys:
            self.say("dubkit has placed nothing on this timeline")
        else:
            self.say(
                "everything that dubkit placed on this timeline is gone" if clean else "some of it stays, see above"
            )

    # ---------------------------------------------------------------------------------------------------------- placing

    def place(self, plan):
        """All or nothing. Gives "ok" or "already"; raises Stopped after taking back whatever was placed."""
        if self.has_mark(plan) and any(self.track_named(t["kind"], t["name"]) for t in plan["tracks"]):
            return "already"  # what the editor has trimmed or moved on our tracks since is his
        if not self.unchanged(plan):
            raise Stopped("the timeline has changed since; run Dubkit again")
        if not self.take_back(plan["key"]):
            raise Stopped("what an earlier run left could not be removed")
        switched = []
        try:
            media = self.import_media(plan)
            self.append(plan, media, self.add_tracks(plan))
            self.require(self.placed(plan) == len(plan["clips"]), "clips are missing after placing")
            self.mark(plan)
            switched = self.switch_off_earlier(plan)
            name = self.project.GetName()
            if name and name != "Untitled Project":
                self.manager.SaveProject()  # clips of a call that failed inside vanish now, so look again
                self.require(self.placed(plan) == len(plan["clips"]), "clips vanished when the project was saved")
        except BaseException:
            for kind, index in switched:
                self.timeline.SetTrackEnable(kind, index, True)
            self.take_back(plan["key"])
            raise
        return "ok"

    @staticmethod
    def require(condition, problem):
        if not condition:
            raise Stopped(problem)

    def import_media(self, plan):
        before, name = self.pool.GetCurrentFolder(), "Dubkit " + plan["key"][:8]
        folder = next((f for f in self.pool.GetRootFolder().GetSubFolderList() or [] if f.GetName() == name), None)
        folder = folder or self.pool.AddSubFolder(self.pool.GetRootFolder(), name)
        self.require(folder and self.pool.SetCurrentFolder(folder), "could not make the bin " + name)
        try:
            for path in dict.fromkeys(clip["path"] for clip in plan["clips"]):
                for given in (path, {"FilePath": path}):
                    if path not in self.paths(folder):
                        self.pool.ImportMedia([given])
                self.require(path in self.paths(folder), "Resolve would not import " + path)
        finally:
            self.pool.SetCurrentFolder(before)
        return self.paths(folder)

    @staticmethod
    def paths(folder):
        return {slashes((clip.GetClipProperty() or {}).get("File Path")): clip for clip in folder.GetClipList() or []}

    def add_tracks(self, plan):
        index = {}
        for track in plan["tracks"]:
            kind, before = track["kind"], self.timeline.GetTrackCount(track["kind"])
            self.timeline.AddTrack(*((kind, track["sub"]) if kind == "audio" else (kind,)))
            now = int(self.timeline.GetTrackCount(kind))
            self.require(now == before + 1, "Resolve would not add a track")
            self.timeline.SetTrackName(kind, now, track["name"])
            if self.timeline.GetTrackName(kind, now) != track["name"]:
                self.timeline.DeleteTrack(kind, now)  # empty and just added; without its name an undo could not find it
                raise Stopped("Resolve would not name the new track")
            index[track["id"]] = now
        return index

    def append(self, plan, media, index):
        linked = {}
        for clip in plan["clips"]:
            current = self.project.GetCurrentTimeline()
            self.require(current and current.GetUniqueId() == self.uid, "another timeline was opened")
            self.pool.AppendToTimeline([{
                "mediaPoolItem": media[clip["path"]], "startFrame": clip["first"], "endFrame": clip["past"],  # past: exclusive
                "mediaType": 1 if clip["kind"] == "video" else 2, "trackIndex": index[clip["track"]],
                "recordFrame": self.origin + clip["at"],  # absolute
            }])  # fmt: skip
            item = self.item_at(clip["kind"], index[clip["track"]], clip)
            self.require(item, "Resolve did not place " + clip["name"] + " as asked")
            linked.setdefault(clip["group"], []).append(item)
        for pair in linked.values():
            if len(pair) == 2:
                self.timeline.SetClipsLinked(pair, True)

    def mark(self, plan):
        for n, m in enumerate(plan["markers"], start=1):
            self.add_marker(m["at"], m["at"] + m["length"], m["color"], m["name"], m["note"], f"{TAG}{plan['key']}:{n}")
        at = plan["clips"][0]["at"]
        done = self.add_marker(at, at + 1000, "Green", "Dubkit", plan["note"], TAG + plan["key"])
        self.require(done, "Resolve would not add a marker")

    def switch_off_earlier(self, plan):
        """An earlier dub stays for comparison, but switched off: two voices at once help nobody. Gives what was switched."""
        ours, switched = {t["name"] for t in plan["tracks"]}, []
        for kind in ("video", "audio"):
            for index in self.indices(kind):
                name = self.timeline.GetTrackName(kind, index) or ""
                if name.startswith("Dubkit ") and name not in ours and self.timeline.GetIsTrackEnabled(kind, index):
                    self.timeline.SetTrackEnable(kind, index, False)
                    switched.append((kind, index))
        return switched

    def add_marker(self, at, past, color, name, note, tag):
        """One marker fits on a frame, and the editor's own stay: takes the next free frame."""
        taken = {round(float(frame)) for frame in self.timeline.GetMarkers() or {}}
        free = (frame for frame in range(at, max(at + 1, past)) if frame not in taken)
        return any(self.timeline.AddMarker(frame, color, name, note, 1, tag) for frame in free)

    # ---------------------------------------------------------------------------------------------------------- asking

    def scope(self):
        """The selected clips, else the range between In and Out, else everything, as the request's name says it."""
        parts = []
        for item in attempt(self.timeline, "GetSelectedClips") or []:  # 21.0.4 and later
            kind, index = (list(item.GetTrackTypeAndIndex() or []) + ["", 0])[:2]
            if kind == "video":
                parts.append(f"v{int(index)}x{int(item.GetStart()) - self.origin}x{int(item.GetDuration())}")
        if parts:
            return "-".join(parts)
        marks = (attempt(self.timeline, "GetMarkInOut") or {}).get("video") or {}  # 19.1 and later
        if "in" in marks and "out" in marks:
            return f"v0x{int(marks['in'])}x{int(marks['out']) - int(marks['in']) + 1}"
        return "all"

    def on_page(self, page, work):
        """Does the work on a page of Resolve and goes back to where the editor was."""
        before = self.resolve.GetCurrentPage()
        if before != page:
            self.resolve.OpenPage(page)
        try:
            return work()
        finally:
            if before and before != page:
                self.resolve.OpenPage(before)


def undo(resolve, media):
    """Takes back what dubkit placed on the current timeline; returns what was said."""
    said = []
    try:
        sequence = Sequence(resolve, media, said.append)
        sequence.on_page("edit", sequence.undo)
    except Stopped as stopped:
        said.append(str(stopped))
    return said
