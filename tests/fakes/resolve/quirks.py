"""What this Resolve knows, and the switches for what the real one is known to do wrong."""

from __future__ import annotations

from dataclasses import dataclass

MARKER_COLORS = {
    "Blue", "Cyan", "Green", "Yellow", "Red", "Pink", "Purple", "Fuchsia", "Rose", "Lavender", "Sky", "Mint", "Lemon", "Sand", "Cocoa", "Cream",
}  # fmt: skip
AUDIO_SUBTYPES = {"mono", "stereo", "5.1", "7.1"}
PAGES = {"media", "cut", "edit", "fusion", "color", "fairlight", "deliver"}
EXPORT_OTIO, EXPORT_FCP_7_XML, EXPORT_DRT = 12.0, 5.0, 2.0  # live constants; numbers of our own


@dataclass
class Quirks:
    """What this Resolve does wrong. All off: the best of all worlds."""

    studio: bool = False
    version: str = "21.0.4.5"
    selected_clips: bool = True  # GetSelectedClips, 21.0.4
    marks: bool = True  # Get/SetMarkInOut, 19.1
    absent: str = "raises"  # or "reads None": what a version does not have
    export_otio: bool = True
    export_xml: bool = False  # EXPORT_FCP_7_XML
    nested_export: str = "missing"  # how compound and multicam clips leave in OTIO: "missing" media, or a "stack"
    no_page: bool = False  # GetCurrentPage answers None
    overlap: str = "drop"  # or "push": later clips are moved behind and shortened
    append_returns: str = "items"  # "none", "list of none"
    fails_at: int | None = None  # the n-th append (0-based) places nothing
    dead_at: int | None = None  # the n-th append places an item whose methods answer None, and which a save loses
    lost_on_save: int = 0  # so many of the last appended items vanish when the project is saved
    shorter_at: int | None = None  # the n-th append comes out one frame short
    inclusive_end: bool = False  # endFrame counts as inclusive
    audio_ignores_end: bool = False  # an appended sound runs to the end of its file
    refuses_tracks: bool = False
    refuses_names: bool = False
    refuses_markers: bool = False
    refuses_import: tuple[str, ...] = ()  # file names
    imports_only_dicts: bool = False
    locks_new_tracks: bool = False
    first_delete_fails: bool = False
    modal_at: int | None = (
        None  # a dialogue opens before the n-th append: until it is closed, calls answer None or False
    )
    other_timeline_at: int | None = None  # the editor opens another timeline before the n-th append
    status_words: str = "Complete"
    render_fails: bool = False
    codecs: tuple[str, ...] = ("DNxHRHQ", "H264")
    render_polls: int = 2  # IsRenderingInProgress answers True so often


class Stubborn(AssertionError):
    """The program under test did what Resolve would punish silently."""
