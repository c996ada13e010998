"""The stage render of one language: encodes the pieces that changed, and joins them with the dub's sound into the film."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dubkit.errors import CopyRefused
from dubkit.files import atomic_write
from dubkit.progress import Progress
from dubkit.project import artefacts
from dubkit.types import FrameRange, LipJob

if TYPE_CHECKING:
    from dubkit.lips.result import LipResult
    from dubkit.project.stages import Work
    from dubkit.render.encode import Piece


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the report tells about the render, in ``render/render.json``."""

    copied: tuple[FrameRange, ...]  # taken from the source packet by packet
    not_copied: str | None  # why nothing was, where the settings asked for it
    left_out: tuple[str, ...]  # what the source has and the result has not
    blended: tuple[str, ...] = ()  # the ways (``lips.pixels``) in which new lips were put into the film


def lip_results(work: Work) -> Mapping[str, tuple[FrameRange, Path]]:
    """Job id → its frames and the file of its result."""
    folder = work.store.stage_folder("lips", work.language)
    jobs = artefacts.read_json(folder / "jobs.json", tuple[LipJob, ...])
    return {job.id: (job.frames, folder / f"{job.frames.start:07}-{job.id[:16]}.npz") for job in jobs}


def _ways(work: Work) -> dict[str, str]:
    """Job id → the way (``lips.pixels``) in which its lips are put into the film; says so where a GPU's work is done without one."""
    from dubkit.lips.pixels import pixels_of
    from dubkit.lips.result import stats_of

    ways, without = {}, 0
    for job, (_, path) in lip_results(work).items():
        pixels = pixels_of(stats_of(path))
        ways[job] = pixels.name
        without += pixels.name == "torch" and pixels.where == "cpu"
    if without:
        work.say(f"lips that were made on a GPU which this machine has not are put back by the same sums on its CPU, "
                 f"which is slower (jobs: {without})")  # fmt: skip
    return ways


def make_some_pieces(work: Work, frames: FrameRange) -> None:
    """Encodes the pieces that begin in ``frames``."""
    pieces, _ = _plan(work, _ways(work))
    _encode(work, [piece for piece in pieces if piece.frames.start in frames], work.progress)


def make_film(work: Work) -> list[Path]:
    """The finished film, and what there is to say about it."""
    ways = _ways(work)
    pieces, refused = _plan(work, ways)
    try:
        output, left_out = _film(work, pieces)
    except CopyRefused as error:
        work.say(f"the film is encoded as a whole: {error}")
        pieces, refused = _plan(work, ways, str(error))
        output, left_out = _film(work, pieces)
    for text in left_out:
        work.say(text)
    copied = tuple(piece.frames for piece in pieces if piece.copied)
    told = Rendered(copied, refused, tuple(left_out), tuple(sorted(set(ways.values()))))
    return [output, artefacts.write_json(work.folder / "render.json", told, Rendered)]


def _plan(work: Work, ways: Mapping[str, str], refused: str | None = None) -> tuple[list[Piece], str | None]:
    """All pieces of the film, and why none is copied where the settings ask for it. ``refused``: that is known already.

    A piece is named by the ways in which its lips are put into it; OpenCV's is not said.
    """
    from dubkit.lips.pixels import OPENCV
    from dubkit.media.copying import closed_groups
    from dubkit.render.encode import plan_pieces, untouched

    media, settings = work.media(), work.settings.render
    frames = {
        job if ways[job] == OPENCV.name else f"{job} {ways[job]}": where
        for job, (where, _) in lip_results(work).items()
    }
    copied: tuple[FrameRange, ...] = ()
    if settings.copy_untouched and not refused:
        try:
            copied = untouched(closed_groups(media, settings), frames.values())
        except CopyRefused as error:
            refused = str(error)
        else:
            refused = None if copied else "every group of pictures has a moved mouth in it"
    return plan_pieces(media, work.shots(), frames, settings, work.folder / "pieces", copied), refused


def _film(work: Work, pieces: list[Piece]) -> tuple[Path, list[str]]:
    """Encodes what is missing and joins everything; the film and what could not be taken along."""
    from dubkit.media.mux import mux
    from dubkit.project.reads import output_path
    from dubkit.render.encode import discard_others

    media, settings = work.media(), work.settings.render
    _encode(work, pieces, work.part(0, 0.93))
    discard_others(pieces, work.folder / "pieces")
    output = output_path(work.project, work.settings, work.language)
    output.parent.mkdir(parents=True, exist_ok=True)
    copied = [piece.frames for piece in pieces if piece.copied]
    sound, text = _tracks(work)
    sound = _encoded(work, sound)
    left_out = mux([piece.path for piece in pieces], media, sound, output, settings, text, copied=copied)
    for track in sound:
        if track.encoded:
            track.path.unlink()
    work.progress(1, 1)
    return output, left_out


def _tracks(work: Work) -> tuple[list, list]:
    """Sound tracks (the dub first, then the original if it is kept) and the dub's own subtitles."""
    from dubkit.media.mux import SUBTITLE_FILES, AudioTrack, SubtitleTrack

    settings, project = work.settings.render, work.project.project
    voice = work.store.stage_folder("voice", work.language)
    files = artefacts.read_json(voice / "files.json", dict[str, str])
    sound = [AudioTrack(voice / files["mix"], work.language, "Dub", True)]
    original = work.original_audio()
    if original and (settings.keep_original_audio or settings.dub_track == "add"):
        sound.append(AudioTrack(original, project.source.language, "Original", False))
    written = project.target[work.language].subtitles
    spoken = written and settings.subtitles and Path(written).suffix.lower() in SUBTITLE_FILES
    return sound, [SubtitleTrack(_as_utf8(work.project.resolve(written), work.folder), work.language)] if spoken else []


def _as_utf8(subtitles: Path, folder: Path) -> Path:
    """The file, or a copy of it in ``folder``: ffmpeg leaves out, without a word, what is not UTF-8."""
    from dubkit.speech.cues import decode

    text, encoding = decode(subtitles.read_bytes(), subtitles.name)
    if encoding.startswith("utf-8"):
        return subtitles
    copy = folder / f"subtitles{subtitles.suffix.lower()}"
    atomic_write(copy, text.encode())
    return copy


def _encoded(work: Work, sound: list) -> list:
    """Tracks that are to be AAC as AAC, encoded beside the pieces of picture: a killed run goes on inside them."""
    from dubkit.media.aac import LAYOUTS, RATE, layout_of, write_aac
    from dubkit.media.mux import bit_rate
    from dubkit.timing import sample_at

    video, settings, tracks = work.media().video, work.settings.render, list(sound)
    if settings.audio_codec != "aac":
        return tracks
    for number, track in enumerate(tracks):
        layout, channels = layout_of(track.path)
        if layout in LAYOUTS:
            path = work.folder / "pieces" / f"sound-{number}.m4a"
            done = work.part(0.93 + 0.06 * number / len(tracks), 0.93 + 0.06 * (number + 1) / len(tracks))
            samples = sample_at(video.num_frames / video.rate, RATE)
            write_aac(track.path, path, samples, 1000 * bit_rate(settings, channels), work.pieces, done)
            tracks[number] = replace(track, path=path, encoded=True)
    return tracks


def _encode(work: Work, pieces: list[Piece], progress: Progress) -> None:
    from dubkit.lips.result import LipResult
    from dubkit.media.reader import FrameReader
    from dubkit.render.compose import Composer
    from dubkit.render.encode import encode_pieces

    def loader(path: Path) -> Callable[[], LipResult]:
        return lambda: LipResult.load(path)

    composer = Composer({job: (frames, loader(path)) for job, (frames, path) in lip_results(work).items()})
    with FrameReader(work.media()) as reader:
        encode_pieces(reader, pieces, composer, work.settings.render, progress)
        for warning in reader.warnings:
            work.say(warning)
