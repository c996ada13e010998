# @STAMP@
# Written by `dubkit resolve install`. For Resolve Studio (or Free up to 21.0): a small window for language, preset and scope.
# All work is done by the worker outside; this window asks, shows how far it is, and places the result.

import sys

MAILBOX = @MAILBOX@
SCRIPTS = @SCRIPTS@
TIMEOUT = @TIMEOUT@

sys.path.insert(0, SCRIPTS)
sys.dont_write_bytecode = True
import asking  # noqa: E402
import placing  # noqa: E402

SCOPES = ["Selection, or In to Out, or all", "The whole timeline"]


def main(resolve, fusion, bmd):
    """Runs the window; without one (Free 19.1 and later) the saved settings are used at once."""
    said = []
    try:
        sequence = placing.Sequence(resolve, MAILBOX + "/jobs", said.append)
    except placing.Stopped as stopped:
        print("[dubkit] " + str(stopped))
        return
    try:
        ui, dispatcher = fusion.UIManager, bmd.UIDispatcher(fusion.UIManager)
        window = build(ui, dispatcher)
    except Exception:  # no window in this edition
        window = None
    if window is None:
        unattended(sequence, said)
    else:
        Window(sequence, ui, dispatcher, window, said).run()
    for text in said:
        print("[dubkit] " + text)


def unattended(sequence, said):
    import time

    job = asking.Job(sequence, MAILBOX, TIMEOUT)
    try:
        job.ask()
        while True:
            plan = job.poll()
            if plan and job.follow(plan):
                return
            time.sleep(0.25)
    except placing.Stopped as stopped:
        said.append(str(stopped))


def build(ui, dispatcher):
    return dispatcher.AddWindow({"ID": "Dubkit", "WindowTitle": "Dubkit", "Geometry": [300, 300, 420, 210]}, [ui.VGroup([
        ui.HGroup([ui.Label({"Text": "Dub into"}), ui.LineEdit({"ID": "Language", "PlaceholderText": "es, fr, pt-BR ..."})]),
        ui.HGroup([ui.Label({"Text": "Preset"}), ui.LineEdit({"ID": "Preset", "PlaceholderText": "the worker's"})]),
        ui.HGroup([ui.Label({"Text": "Scope"}), ui.ComboBox({"ID": "Scope"})]),
        ui.Label({"ID": "Status", "Text": "ready", "WordWrap": True}),
        ui.HGroup([ui.Button({"ID": "Start", "Text": "Dub"}), ui.Button({"ID": "Cancel", "Text": "Cancel"})]),
        ui.Timer({"ID": "Tick", "Interval": 500}),
    ])])


class Window:
    def __init__(self, sequence, ui, dispatcher, window, said):
        self.sequence, self.ui, self.dispatcher, self.window, self.said = sequence, ui, dispatcher, window, said
        self.job, self.items = None, window.GetItems()
        sequence.say = self.show
        for text in SCOPES:
            self.items["Scope"].AddItem(text)
        window.On.Start.Clicked = self.start
        window.On.Cancel.Clicked = self.cancel
        window.On.Dubkit.Close = lambda event: dispatcher.ExitLoop()
        dispatcher.On.Timeout = self.tick

    def run(self):
        self.window.Show()
        self.items["Tick"].Start()
        self.dispatcher.RunLoop()
        self.items["Tick"].Stop()
        self.window.Hide()

    def show(self, text):
        self.items["Status"].Text = str(text)
        self.said.append(str(text))

    def start(self, event):
        if self.job:
            return
        language, preset = self.items["Language"].Text.strip(), self.items["Preset"].Text.strip()
        choice = {key: value for key, value in (("language", language), ("preset", preset)) if value}
        scope = "all" if self.items["Scope"].CurrentIndex == 1 else None
        self.during(lambda: self.ask(choice, scope))

    def ask(self, choice, scope):
        self.job = asking.Job(self.sequence, MAILBOX, TIMEOUT, choice, scope)
        self.job.ask()
        self.items["Status"].Text = "asked the worker"

    def cancel(self, event):
        if self.job:
            self.job.cancel()
        else:
            self.dispatcher.ExitLoop()

    def tick(self, event):
        if self.job:
            self.during(self.look)

    def look(self):
        plan = self.job.poll()
        if plan is None:
            done = self.job.progress()
            self.items["Status"].Text = f"{done:.0%} done" if done else "waiting for the worker"
        elif self.job.follow(plan):
            self.job = None

    def during(self, work):
        """A window must outlive whatever goes wrong."""
        try:
            work()
        except Exception as error:
            self.job = None
            self.show(error)


if "resolve" not in globals():  # started from outside (Studio)
    import DaVinciResolveScript as bmd

    resolve = bmd.scriptapp("Resolve")
    fusion = resolve.Fusion() if resolve else None
if resolve:  # noqa: F821 - given by Resolve
    main(resolve, fusion, bmd)  # noqa: F821
else:
    print("[dubkit] Resolve does not answer")
