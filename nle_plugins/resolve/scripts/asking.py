"""Asking the worker in Python, for Studio: the request, the wait, the render of references, and what the reply says to do.

Like ``placing`` this runs inside Resolve's own Python and imports nothing but the standard library and ``placing``.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import time
import uuid

from placing import Stopped, attempt, safe

PLAN = "dubkit.plan/1"


class Job:
    """One request to the worker, from asking to placing. ``choice``: language and preset for this once."""

    def __init__(self, sequence, mailbox, timeout, choice=None, scope=None):
        self.sequence, self.mailbox, self.timeout = sequence, mailbox, timeout
        self.choice, self.scope = choice, scope or sequence.scope()
        self.id, self.step = uuid.uuid4().hex, 1
        self.since = time.monotonic()

    def ask(self):
        """Writes the request: the exported timeline, whose name carries the rest."""
        s = self.sequence
        version = safe(f"{s.resolve.GetProductName()}-{attempt(s.resolve, 'GetVersionString') or ''}")
        facts = [
            self.id,
            str(self.step),
            safe(s.uid),
            safe(s.project.GetUniqueId()),
            str(s.origin),
            self.scope,
            version,
        ]
        name = ".".join(facts)
        if len(name) > 230:
            raise Stopped("too many clips are selected; set In and Out instead")
        if self.choice:
            path = os.path.join(self.mailbox, "inbox", self.id + ".choice.json")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                json.dump(self.choice, file)
            self.choice = None
        for constant, suffix in (("EXPORT_OTIO", ".otio"), ("EXPORT_FCP_7_XML", ".xml")):
            kind, path = getattr(s.resolve, constant, None), f"{self.mailbox}/inbox/{name}{suffix}"
            if kind is not None and s.timeline.Export(path, kind) and os.path.isfile(path):
                return
        raise Stopped(
            "Resolve would not write the request to " + self.mailbox
            + "; export the timeline by hand (File > Export > Timeline, OTIO) and run: dubkit nle dub"
        )  # fmt: skip

    def poll(self):
        """The worker's plan, or None as long as there is none. Raises Stopped where the dub failed or nobody answers."""
        base = os.path.join(self.mailbox, "outbox", f"{self.id}.{self.step}")
        if os.path.isfile(base + ".failed.lua"):
            raise Stopped("the dub failed: " + str(read_reply(base + ".failed.lua")))
        if os.path.isfile(base + ".lua"):
            plan = read_reply(base + ".lua")
            if not isinstance(plan, dict) or plan.get("schema") != PLAN or plan.get("job") != self.id:
                raise Stopped("the answer could not be read")
            return plan
        if time.monotonic() - self.since > self.timeout:
            raise Stopped(
                "no answer yet. Is `dubkit resolve serve` running? A finished dub is placed at once the next time"
            )
        return None

    def follow(self, plan):
        """Does what a plan says: places, or renders and asks again. True when the job is over."""
        s = self.sequence
        if plan["action"] == "render":
            render(s, plan)
            self.step = 2
            self.ask()
            return False
        if plan["action"] != "place":
            s.say(plan["note"])
            return True
        if s.on_page("edit", lambda: s.place(plan)) == "already":
            s.say("already placed; nothing was changed")
        else:
            s.say(f"placed {len(plan['clips'])} clips. {plan['note']}")
        # The copy for a script that has given up waiting: after an undo the dialogue may be another.
        with contextlib.suppress(OSError):
            os.remove(os.path.join(self.mailbox, "outbox", f"timeline-{safe(s.uid)}.lua"))
        return True

    def cancel(self):
        with open(os.path.join(self.mailbox, "inbox", self.id + ".cancel"), "w", encoding="utf-8"):
            pass

    def progress(self):
        """Share of the work that is done, 0 to 1."""
        try:
            with open(os.path.join(self.mailbox, "outbox", self.id + ".progress.ndjson"), encoding="utf-8") as file:
                last = json.loads(file.read().splitlines()[-1])
            return last["done"] / last["total"] if last["total"] else 0.0
        except (OSError, ValueError, IndexError, KeyError):
            return 0.0


def render(sequence, plan):
    """Renders references on the Deliver page and puts everything back that had to be touched. Raises Stopped."""
    s, project, timeline = sequence, sequence.project, sequence.timeline
    marks = attempt(timeline, "GetMarkInOut") or {}
    kind, mode = project.GetCurrentRenderFormatAndCodec() or {}, project.GetCurrentRenderMode()
    hidden = [
        (k, i, bool(timeline.GetIsTrackEnabled(k, i)))
        for k in ("video", "audio")
        for i in s.indices(k)
        if (timeline.GetTrackName(k, i) or "").startswith("Dubkit ") or timeline.GetTrackName(k, i) == plan["dub_track"]
    ]
    preset = "dubkit " + plan["job"][:12]

    def work():
        saved = project.SaveAsNewRenderPreset(preset)  # the settings cannot be read, only saved and loaded
        try:
            for k, i, _ in hidden:
                timeline.SetTrackEnable(k, i, False)
            for reference in plan["renders"]:
                render_one(s, reference)
        finally:
            for k, i, enabled in hidden:
                timeline.SetTrackEnable(k, i, enabled)
            if saved:
                project.LoadRenderPreset(preset)
                project.DeleteRenderPreset(preset)
            if kind.get("format"):
                project.SetCurrentRenderFormatAndCodec(kind["format"], kind["codec"])
            project.SetCurrentRenderMode(mode)
            attempt(timeline, "ClearMarkInOut", "all")
            for which, range_ in marks.items():
                if "in" in range_ and "out" in range_:
                    attempt(timeline, "SetMarkInOut", range_["in"], range_["out"], which)

    s.on_page("deliver", work)


def render_one(s, reference):
    """One reference. JobStatus is in the user's language: only the numbers and the file count."""
    project, path = s.project, f"{reference['dir']}/{reference['name']}.mov"
    any(project.LoadRenderPreset(preset) for preset in reference["presets"])
    project.SetCurrentRenderMode(1)
    chosen = any(project.SetCurrentRenderFormatAndCodec("mov", codec) for codec in reference["codecs"])
    s.require(chosen, "Resolve has none of the codecs for a reference")
    done = project.SetRenderSettings({
        "SelectAllFrames": False, "MarkIn": s.origin + reference["first"], "MarkOut": s.origin + reference["past"] - 1,
        "TargetDir": reference["dir"], "CustomName": reference["name"], "ExportVideo": True, "ExportAudio": True, "AudioSampleRate": 48000,
    })  # fmt: skip
    s.require(done, "Resolve refused the render settings")
    job = project.AddRenderJob()
    s.require(job, "Resolve would not add a render job")
    try:
        s.require(project.StartRendering([job], False), "Resolve would not start rendering")
        while project.IsRenderingInProgress():
            time.sleep(0.2)
        status = project.GetRenderJobStatus(job) or {}
        if status.get("Error") or float(status.get("CompletionPercentage") or 0) != 100:
            raise Stopped(f"rendering failed: {status.get('Error') or 'unfinished'}")
        s.require(os.path.isfile(path), "the rendered file is not at " + path)
    finally:
        project.DeleteRenderJob(job)


def read_reply(path):
    """Reads a reply without running it: ``return <table>`` of texts, whole numbers, true and false. None if it is not one."""
    with open(path, encoding="ascii") as file:
        text = file.read()
    if not text.startswith("return "):
        return None
    tokens = re.findall(r'"(?:[^"\\]|\\[0-9]{3})*"|[A-Za-z_][A-Za-z0-9_]*|-?[0-9]+|[{}=,]', text[len("return ") :])
    value, rest = _value(tokens, 0)
    return value if rest == len(tokens) else None


def _value(tokens, at):
    token = tokens[at]
    if token != "{":
        if token[0] == '"':
            data = re.sub(rb"\\([0-9]{3})", lambda m: bytes([int(m.group(1))]), token[1:-1].encode("ascii"))
            return data.decode("utf-8", "surrogateescape"), at + 1
        return {"true": True, "false": False}.get(token) if token.isalpha() else ast.literal_eval(token), at + 1
    items, table, at = [], {}, at + 1
    while tokens[at] != "}":
        if tokens[at + 1] == "=":
            table[tokens[at]], at = _value(tokens, at + 2)
        else:
            item, at = _value(tokens, at)
            items.append(item)
        if tokens[at] == ",":
            at += 1
    return (table or items), at + 1
