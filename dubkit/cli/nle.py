"""``dubkit nle``: dub what an editor's timeline uses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from dubkit.cli.common import PresetOption, SetOption, err, flags, out

app = typer.Typer(
    help="Timelines of editing programs (OTIO, FCPXML, EDL, FCP7 XML, AAF, Kdenlive).", no_args_is_help=True
)


@app.command()
def dub(
    timeline: Annotated[
        Path, typer.Argument(help="The timeline; its format follows from the suffix.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The timeline to write.", show_default=False)],
    to: Annotated[str, typer.Option("--to", "-t", help="Target language, like es.", show_default=False)],
    dialogue: Annotated[Path | None, typer.Option(help="The dub's dialogue, made against the timeline.")] = None,
    subtitles: Annotated[
        Path | None, typer.Option(help="Translated subtitles made against the timeline, to be spoken.")
    ] = None,
    track: Annotated[str | None, typer.Option(help="Or: an audio track of the timeline with the dub.")] = None,
    time: Annotated[str, typer.Option(help="What the dub was made against: timeline or media.")] = "timeline",
    language: Annotated[str, typer.Option(help="Language spoken in the film.")] = "en",
    handles: Annotated[int, typer.Option(min=0, help="Frames kept around each clip for trimming.")] = 12,
    rate: Annotated[str | None, typer.Option(help="Frame rate, for formats that do not say theirs (EDL).")] = None,
    preset: PresetOption = None,
    set_: SetOption = None,
) -> None:
    """Dub the used ranges of a timeline's media; the result lies on new tracks above the untouched originals."""
    from rich.progress import Progress

    from dubkit.nle.dub import Order, Script, dub_file, summary
    from dubkit.nle.pipeline import PipelineDubber
    from dubkit.project import layers
    from dubkit.timing import exact_rate

    given = flags(set_)
    layers.merged(None, preset, given)  # a setting that does not exist is told now, not when the reel is made
    order = Order(to, Script(dialogue, track, subtitles, time), language, preset, handles)
    with Progress(console=err) as bars:
        task = bars.add_task("dubbing", total=None)
        result = dub_file(
            timeline, output, order, PipelineDubber(given), rate=exact_rate(rate) if rate else None,
            progress=lambda done, total: bars.update(task, completed=done, total=total or None),
        )  # fmt: skip
    for line in summary(result):
        out.print(line, highlight=False, soft_wrap=True)
    out.print(f"wrote {result.output}", highlight=False, soft_wrap=True)


@app.command()
def formats() -> None:
    """Show the timeline formats and what each one cannot carry."""
    from dubkit.nle.plugins import discover

    table = Table("plug-in", "suffixes", "about", "cannot carry")
    for plugin in discover().values():
        table.add_row(plugin.name, " ".join(plugin.suffixes), plugin.about, getattr(plugin, "reduced", "") or "")
    out.print(table)
