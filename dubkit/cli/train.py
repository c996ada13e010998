"""``dubkit train``: data, networks and tables of the Wav2Lip system; every weight file and every table by a command.

Runs on a machine that has torch, NumPy, OpenCV, safetensors and typer but nothing else of dubkit's, as
``python -m dubkit.cli.train`` (a lent GPU, docs/training.md).
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from dubkit.memory import keeping_freed

app = typer.Typer(help="Train and measure the networks of the lips.", no_args_is_help=True)


@app.callback()
def training(context: typer.Context) -> None:
    context.with_resource(keeping_freed())


Shards = Annotated[Path, typer.Argument(help="Folder of shards, from `dubkit train prepare`.", show_default=False)]
RunFolder = Annotated[Path, typer.Argument(help="Folder of the run; the same folder goes on.", show_default=False)]
Steps = Annotated[int, typer.Option(min=1, help="Steps in all; the learning rate follows them.")]
Minutes = Annotated[float, typer.Option(min=0, help="Stop early; the same command goes on.")]
Every = Annotated[int, typer.Option("--check-every", min=1, help="Steps between two checkpoints.")]
Device = Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")]
Bf16 = Annotated[bool, typer.Option("--bf16", help="Networks in bfloat16.")]
Accumulate = Annotated[int, typer.Option(min=1, help="Batches summed up before the weights move.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0: torch's own choice.")]
Start = Annotated[Path | None, typer.Option("--start-from", help="Weights to begin a new run with.")]
Share = Annotated[list[str] | None, typer.Option("--share", metavar="SET=WEIGHT", help="How much of a data set; repeat. Default: by the square root of its size.")]  # fmt: skip
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Another setting of the run (see its page in dubkit/train); repeat.")]  # fmt: skip
ExpertFile = Annotated[Path | None, typer.Option("--expert", help="Lip-sync expert; none: the bundled one.")]


@app.command()
def prepare(
    source: Annotated[Path, typer.Argument(help="A folder of videos, with index.csv or without.", show_default=False)],
    shards: Annotated[Path, typer.Argument(help="Folder for the shards.", show_default=False)],
    detector: Annotated[str, typer.Option(help="Face detector (see settings, faces.detector).")] = "centerface",
    weights: Annotated[Path | None, typer.Option(help="Its weights, where it takes them (yunet).")] = None,
    licence: Annotated[str, typer.Option(help="Licence of the data; written into every weight file.")] = "unknown",
    name: Annotated[str, typer.Option(help="Name of the data set, for videos without an index.")] = "videos",
    expert: ExpertFile = None,
) -> None:
    """Cut faces and voices out of videos: 25 fps crops and 16 kHz sound, one shard a person or a video, resumable.

    Videos without an index are searched for shots and faces; tracks that are short, small or out of step are left out.
    """
    from dubkit.lips.models.loading import BUNDLED_EXPERT, load_expert
    from dubkit.settings import FacesSettings
    from dubkit.train.prepare import largest_face, prepare, verify
    from dubkit.train.videos import prepare_videos

    faces = FacesSettings(detector=detector, detector_weights=str(weights) if weights else None)
    if (source / "index.csv").is_file():
        prepare(source, shards, largest_face(faces), licence=licence, report=print)
    else:
        judge = load_expert(expert or BUNDLED_EXPERT)
        prepare_videos(source, shards, judge, faces, name=name, licence=licence, report=print)
    verify(shards)


@app.command()
def pack(
    shards: Shards,
    folder: Annotated[Path, typer.Argument(help="Folder for the packed shards.", show_default=False)],
    crf: Annotated[int, typer.Option(min=0, max=51, help="x264 quality; larger is smaller.")] = 24,
) -> None:
    """Make shards small enough to be carried to a lent GPU: H.264 pictures, mel and MFCC instead of sound."""
    from dubkit.train.packed import pack as pack_shards

    manifest = pack_shards(shards, folder, crf, print)
    print(f"{manifest.parent}: {sum(f.stat().st_size for f in folder.iterdir()) / 2**20:.1f} MiB")


@app.command()
def expert(
    shards: Shards, run: RunFolder, steps: Steps = 2000, minutes: Minutes = 600, check_every: Every = 100,
    device: Device = "cpu", bf16: Bf16 = False, accumulate: Accumulate = 1, threads: Threads = 0, share: Share = None,
    set_: Set = None, start_from: Start = None,
) -> None:  # fmt: skip
    """The lip-sync expert: --set network=small (bundled) or official, with --set bce_share=0.3 for the paper's loss."""
    from dubkit.lips.models.loading import load_expert
    from dubkit.train.expert import ExpertSettings, train_expert

    settings = _settings(ExpertSettings(), shards, share, set_)
    model = train_expert(shards, run, settings, start_from=load_expert(start_from) if start_from else None,
                         **_how(steps, minutes, check_every, device, bf16, accumulate, threads))  # fmt: skip
    architecture = "small-expert" if settings.network == "small" else "expert"
    paper = f" and the cosine BCE of the paper, weight {settings.bce_share}" if settings.bce_share else ""
    _export(
        model, architecture, run, shards, settings, f"cross-entropy over the shifts inside a clip{paper}", start_from
    )


@app.command()
def generator(
    shards: Shards, run: RunFolder, steps: Steps = 4000, minutes: Minutes = 600, check_every: Every = 100,
    device: Device = "cpu", bf16: Bf16 = False, accumulate: Accumulate = 1, threads: Threads = 0, share: Share = None,
    set_: Set = None, start_from: Start = None, expert: ExpertFile = None,
    width: Annotated[int, typer.Option(min=0, help="A Wav2Lip of this width (official: 16); 0: the bundled shape.")] = 0,
) -> None:  # fmt: skip
    """Wav2Lip without the discriminator. --set sync_weight=0.01 --set frames=5 adds the sync loss of --expert."""
    from dubkit.lips.models.loading import load_generator
    from dubkit.lips.models.wav2lip import Wav2LipConfig
    from dubkit.train.generator import GeneratorSettings, train_generator

    settings = _settings(GeneratorSettings(), shards, share, set_)
    begun = load_generator(start_from) if start_from else None
    config = begun.config if begun else replace(Wav2LipConfig.of_width(width), composite=True) if width else None
    settings = replace(settings, config=config.to_dict()) if config else settings
    judge = _expert(expert) if settings.sync_weight else None
    model = train_generator(shards, run, settings, expert=judge, start_from=begun,
                            **_how(steps, minutes, check_every, device, bf16, accumulate, threads))  # fmt: skip
    _export(model, "wav2lip", run, shards, settings, _losses(settings), start_from)


@app.command()
def gan(
    shards: Shards, run: RunFolder, steps: Steps = 2000, minutes: Minutes = 600, check_every: Every = 100,
    device: Device = "cpu", bf16: Bf16 = False, accumulate: Accumulate = 1, threads: Threads = 0, share: Share = None,
    set_: Set = None, start_from: Start = None, expert: ExpertFile = None,
    visual_weight: Annotated[float, typer.Option(min=0, max=1, help="Weight of the discriminator's loss.")] = 0.07,
    learning_rate: Annotated[float, typer.Option(help="Of both networks.")] = 1e-4,
    discriminator: Annotated[int, typer.Option(help="Channels of its first layer (official: 32).")] = 8,
) -> None:  # fmt: skip
    """Wav2Lip with the visual-quality discriminator, from --start-from on (none: the bundled generator)."""
    from dubkit.lips.models.loading import BUNDLED_GENERATOR, load_generator
    from dubkit.train.gan import GanSettings, train_gan

    begun = load_generator(start_from or BUNDLED_GENERATOR)
    draw = _settings(GanSettings().generator, shards, share, set_)
    settings = GanSettings(replace(draw, config=begun.config.to_dict()), visual_weight, discriminator, learning_rate)
    model = train_gan(shards, run, begun, _expert(expert), settings,
                      **_how(steps, minutes, check_every, device, bf16, accumulate, threads))  # fmt: skip
    losses = f"{_losses(settings.generator)}; visual-quality discriminator, weight {visual_weight}"
    _export(model, "wav2lip", run, shards, settings, losses, start_from or BUNDLED_GENERATOR)


def _baseline(architecture: str, losses: str, steps: int = 2000) -> Callable:
    """A command with the options of every run, for a page: the decorated function names its training function, its settings
    and how these become the page's whole settings."""

    def register(page: Callable[[], tuple[Callable, Any, Callable]]) -> Callable:
        def command(
            shards: Shards, run: RunFolder, steps: Steps = steps, minutes: Minutes = 600, check_every: Every = 100,
            device: Device = "cpu", bf16: Bf16 = False, accumulate: Accumulate = 1, threads: Threads = 0,
            share: Share = None, set_: Set = None,
        ) -> None:  # fmt: skip
            train, draw, whole = page()
            settings = whole(_settings(draw, shards, share, set_))
            model = train(shards, run, settings, **_how(steps, minutes, check_every, device, bf16, accumulate, threads))
            _export(model, architecture, run, shards, settings, losses)

        app.command(page.__name__, help=page.__doc__)(command)
        return page

    return register


@_baseline("wav2lip", "L1; contrastive loss of a discriminator that hears (LipGAN)")
def lipgan() -> tuple[Callable, Any, Callable]:
    """LipGAN, a baseline: L1 and a discriminator that hears."""
    from dubkit.train.lipgan import LipganSettings, train_lipgan

    return train_lipgan, LipganSettings().generator, lambda draw: LipganSettings(generator=draw)


@_baseline("speech2vid", "L1")
def speech2vid() -> tuple[Callable, Any, Callable]:
    """Speech2Vid, a baseline: one still and a voice, L1."""
    from dubkit.train.speech2vid import Speech2VidSettings, train_speech2vid

    return train_speech2vid, Speech2VidSettings(), lambda settings: settings


@_baseline("syncnet", "contrastive loss with a margin, on L2 distance", steps=10_000)
def syncnet() -> tuple[Callable, Any, Callable]:
    """SyncNet of 2016: five grey faces, 200 ms of MFCC, contrastive loss with a margin."""
    from dubkit.train.syncnet import SyncnetSettings, train_syncnet

    return train_syncnet, SyncnetSettings(), lambda settings: settings


@app.command()
def mean(
    files: Annotated[list[Path], typer.Argument(help="Generators that were fine-tuned from the same weights.", show_default=False)],
    output: Annotated[Path, typer.Option(help="Weight file to write.", show_default=False)],
) -> None:  # fmt: skip
    """The mean of several fine-tuned generators, weight by weight."""
    from dubkit.train.mean import mean_of

    print(f"weights: {output} ({mean_of(files, output)['digest']})")


@app.command()
def measure(
    shards: Shards,
    model: Annotated[list[str] | None, typer.Option("--model", metavar="NAME=FILE", help="A generator or Speech2Vid to measure; repeat.")] = None,
    expert: ExpertFile = None,
    pairs: Annotated[int, typer.Option(min=1, help="Faces with somebody else's voice.")] = 40,
    clips: Annotated[int, typer.Option(min=1, help="Clips of each set for the picture measures.")] = 30,
    shifted: Annotated[int, typer.Option(help="Also show each model with the voice this many frames late; 0: not.")] = 10,
    inception: Annotated[Path | None, typer.Option(help="Inception weights for FID, or 'package' (docs/training.md).")] = None,
    only: Annotated[list[str] | None, typer.Option(help="expert, sync, pictures, apart or fid; repeat. Default: all, fid with --inception.")] = None,
    output: Annotated[Path | None, typer.Option(help="JSON file; tables that it has are kept, the others are added.")] = None,
    threads: Threads = 0,
) -> None:  # fmt: skip
    """The tables of docs/training.md on people that were held out: expert, generators, pictures."""
    from dubkit.train.runs import use_threads
    from dubkit.train.tables import all_tables, as_markdown

    use_threads(threads)
    named = dict(text.split("=", 1) for text in model or [])
    models = {name: Path(path) for name, path in named.items()}
    print(as_markdown(all_tables(shards, models, expert, pairs, clips, shifted, inception, only or (), output)))


@app.command()
def adapt(
    shards: Shards,
    person: Annotated[str, typer.Argument(help="Identity of the shards.", show_default=False)],
    seconds: Annotated[float, typer.Option(min=1, help="How much of their footage.")] = 18.0,
    steps: Annotated[int, typer.Option(min=1)] = 60,
    layers: Annotated[str, typer.Option(help="last (for a CPU) or all.")] = "last",
    model: Annotated[Path | None, typer.Option(help="Generator; none: the bundled one.")] = None,
    expert: ExpertFile = None,
    device: Device = "cpu",
    threads: Threads = 0,
) -> None:
    """Try adaptation on one person of the shards and print what it gave (films: `dubkit adapt`)."""
    from dubkit.lips.adapt import adapt
    from dubkit.lips.models.loading import BUNDLED_GENERATOR, load_generator
    from dubkit.train.runs import Compute, use_threads
    from dubkit.train.tables import footage_of

    use_threads(threads)
    _, told = adapt(load_generator(model or BUNDLED_GENERATOR), _expert(expert), footage_of(shards, person, seconds),
                    steps=steps, layers=layers, device=Compute(device).device)  # fmt: skip
    for field in fields(told):
        print(f"{field.name}: {getattr(told, field.name)}")


@app.command()
def strips(
    shards: Shards,
    weights: Annotated[Path, typer.Argument(help="A generator or Speech2Vid.", show_default=False)],
    picture: Annotated[Path, typer.Argument(help="PNG to write.", show_default=False)],
    people: Annotated[int, typer.Option(min=1)] = 4,
    columns: Annotated[int, typer.Option(min=1)] = 12,
    seed: int = 3,
) -> None:
    """Held-out people to look at: the film, their own voice, somebody else's voice."""
    from dubkit.lips.models.loading import load_speaker
    from dubkit.train.data import TalkingFaces
    from dubkit.train.strips import write_strip

    write_strip(picture, load_speaker(weights), TalkingFaces(shards, "val"), people, columns, seed)


def _settings(settings: Any, shards: Path, share: list[str] | None, given: list[str] | None) -> Any:
    """``settings`` with what was given: numbers and words as Python literals. Raises SettingsError for an unknown key."""
    from dubkit.errors import SettingsError
    from dubkit.train.data import TalkingFaces

    known = {field.name for field in fields(settings)} - {"shares", "config"}
    change: dict[str, Any] = {}
    for text in given or []:
        key, equals, value = text.partition("=")
        if not equals or key not in known:
            raise SettingsError(f"--set {text}: this run has the settings {', '.join(sorted(known))}")
        try:
            change[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            change[key] = value
    shares = {name: float(weight) for name, weight in (text.split("=", 1) for text in share or [])}
    return replace(settings, **change, shares=shares or TalkingFaces(shards, "train", pictures=False).natural_shares())


def _how(steps: int, minutes: float, check_every: int, device: str, bf16: bool, accumulate: int, threads: int) -> dict:
    from dubkit.train.runs import Compute, use_threads

    use_threads(threads)
    compute = Compute(device, "bf16" if bf16 else "fp32", accumulate)
    return {"steps": steps, "minutes": minutes, "check_every": check_every, "compute": compute, "report": print}


def _expert(path: Path | None):
    from dubkit.lips.models.loading import BUNDLED_EXPERT, load_expert

    return load_expert(path or BUNDLED_EXPERT)


def _losses(s) -> str:
    parts = [f"L1, the mouth weighted {s.mouth:g}x"]
    parts += [f"L1 of pixel differences, weight {s.edges:g}"] if s.edges else []
    parts += [f"L1 of colour without grey, weight {s.colour:g}"] if s.colour else []
    sync = "-log of the expert's cosine" if s.sync_loss == "cosine" else f"the expert's choice among {s.choices} voices"
    later = f", once it is below {s.sync_below:g} on held-out people" if s.sync_below else ""
    parts += [f"{sync}, weight {s.sync_weight:g}{later}"] if s.sync_weight else []
    return "; ".join(parts)


def _export(model, architecture: str, run: Path, shards: Path, settings, losses: str, start_from: Path | None = None) -> None:  # fmt: skip
    from dubkit.train.export import export

    print(f"weights: {export(model, architecture, run, shards, settings, losses, start_from)}")


if __name__ == "__main__":
    app()
