"""Joins the encoded pieces, the sound and the subtitles to the film that goes out. The picture is not encoded again.

PyAV reads the pieces and hands their packets, with the exact time of each frame, to one ffmpeg that encodes the sound
and writes the container. The result is checked (``check.check_film``) before it gets its name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import ffmpeg

from dubkit.errors import MediaError
from dubkit.files import replacing
from dubkit.media.check import check_film
from dubkit.media.codecs import CODECS, check_output, left_out
from dubkit.media.copying import check_copied
from dubkit.media.ffmpeg import arguments, has_option, url
from dubkit.media.join import feed, joint_parameter_sets, reorder_depth, timescale
from dubkit.media.languages import iso639_2
from dubkit.media.metadata import write_metadata
from dubkit.media.packets import open_media
from dubkit.process import Pipe
from dubkit.settings import RenderSettings
from dubkit.timing import sample_at
from dubkit.types import FrameRange, Media, VideoStream

SAMPLE_RATE = 48_000  # Hz, of every encoded track
_MOV_LIKE = (".mp4", ".m4v", ".mov")
SUBTITLE_FILES = (".srt", ".ass", ".ssa", ".vtt")
_TEXT = ("subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text")
_LOSSY = {"aac": "aac", "opus": "libopus"}
_LOSSLESS = {  # encoder, sample format
    "pcm": ("pcm_s24le", None),
    "flac": ("flac", "s32"),
    "alac": ("alac", "s32p"),
}


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """A sound file whose first sample belongs at project zero. It is cut or padded to the film's length."""

    path: Path
    language: str | None = None  # ISO 639 (es, spa) or BCP 47 (es-419)
    title: str | None = None
    default: bool = False
    encoded: bool = False  # it is what the film is to have: AAC, of the film's length


@dataclass(frozen=True, slots=True)
class SubtitleTrack:
    """A subtitle file (SRT, ASS, WebVTT) whose times count from project zero."""

    path: Path
    language: str | None = None
    title: str | None = None
    default: bool = False


def mux(
    pieces: Sequence[Path],
    media: Media,
    audio: Sequence[AudioTrack],
    output: Path,
    settings: RenderSettings,
    subtitles: Sequence[SubtitleTrack] = (),
    metadata: Mapping[str, str] | None = None,
    copied: Sequence[FrameRange] = (),
) -> list[str]:
    """Writes ``output`` (.mp4, .mov or .mkv) from the pieces in film order; returns what could not be taken along.

    Rotation, SAR, start timecode, chapters, descriptive metadata and (if ``settings.subtitles``) the subtitle streams
    come from ``media``; ``metadata`` wins over the source's. ``copied``: frames whose pieces are the source's own packets;
    they are decoded and compared (CopyRefused). The same input gives the same bytes. Raises MediaError when
    the pieces do not add up to the film, SettingsError when the container cannot hold what is asked, StorageError,
    ProcessError.
    """
    output, video = Path(output), media.video
    if video is None:
        raise MediaError(f"{media.path} has no picture; there is no film to write")
    if not pieces:
        raise MediaError("there is no piece of picture to join")
    check_output(output, settings, video)
    for track in (*audio, *subtitles):
        if not Path(track.path).is_file():
            raise MediaError(f"there is no file {track.path} for the output's track '{track.title or track.language}'")
    with ExitStack() as stack:
        about = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dubkit-"))) / "about.txt"
        write_metadata(about, media, metadata or {})
        part = stack.enter_context(replacing(output))
        transport = "nut" if settings.codec == "ffv1" else "mov"  # MOV has no name for FFV1, NUT none for ProRes
        depth = reorder_depth(pieces if copied else pieces[:1])
        header = joint_parameter_sets(pieces) if copied else None
        command, skipped = _command(
            media, audio, subtitles, part, output.suffix.lower(), settings, about, depth, transport
        )
        with Pipe(command, write=True) as pipe:
            feed(pieces, video, depth, transport, pipe, header)
        check_film(part, media, len(audio))
        if copied:
            check_copied(part, media, copied)
    return [*left_out(settings, video), *skipped]


def _command(
    media: Media,
    audio,
    subtitles,
    part: Path,
    suffix: str,
    settings: RenderSettings,
    about: Path,
    depth: int,
    transport: str,
) -> tuple[list[str], list[str]]:
    """ffmpeg's arguments, and what was left out."""
    video = media.video
    # copyts: the picture begins at 0, and no input is moved to make room for another's decoding order.
    options: dict[str, object] = {"c:v": "copy", "r:v": video.rate, "copyts": None}
    turn = {}
    if video.rotation and has_option("display_rotation"):
        turn["display_rotation"] = -video.rotation % 360  # counter-clockwise
    elif video.rotation:
        options["metadata:s:v:0"] = f"rotate={-video.rotation % 360}"  # ffmpeg before 6
    if video.sar != 1 and not CODECS[settings.codec].even:  # these codecs do not say it in their own stream
        shape = video.sar * Fraction(video.width, video.height)
        options["aspect"] = f"{shape.numerator}:{shape.denominator}"
    options |= _color(video)
    if media.timecode:
        options["metadata:s:0"] = f"timecode={media.timecode}"
    early = -float(depth / video.rate)
    streams = [ffmpeg.input("pipe:0", f=transport, itsoffset=f"{early:.6f}", **turn)["v:0"]]
    for number, track in enumerate(audio):
        _describe(options, "a", number, len(streams), track, suffix)
        _encode(options, number, track, settings)
        streams.append(_sound(number, track, video))
    chosen, skipped = _subtitles(media, subtitles, settings, suffix)
    for number, (stream, codec, track) in enumerate(chosen):
        _describe(options, "s", number, len(streams), track, suffix)
        options[f"c:s:{number}"] = codec
        streams.append(stream)
    options |= _container(video, settings, suffix)
    count = arguments(ffmpeg.output(*streams, url(part), **options)).count("-i")
    options["map_metadata"] = options["map_chapters"] = count
    command = arguments(ffmpeg.output(*streams, url(part), **options))
    # ffmpeg-python has no word for an input that gives no stream, so the metadata file goes in by hand, behind the rest.
    last = max(i for i, word in enumerate(command) if word == "-i") + 2
    return [*command[:last], "-f", "ffmetadata", "-i", url(about), *command[last:]], skipped


def _color(video: VideoStream) -> dict[str, str]:
    """Tags for the container; DNxHR and FFV1 have no place for them (or not for all) in their own stream."""
    tags = {
        "colorspace": video.color_matrix if video.color_matrix != "gbr" else "unknown",
        "color_range": video.color_range, "color_primaries": video.color_primaries, "color_trc": video.color_transfer,
    }  # fmt: skip
    return {f"{key}:v": value for key, value in tags.items() if value != "unknown"}


def _describe(
    options: dict, kind: str, number: int, index: int, track: AudioTrack | SubtitleTrack, suffix: str
) -> None:
    """Language, title and disposition. ffmpeg-python takes each key once, so the stream is named in two ways."""
    options[f"metadata:s:{kind}:{number}"] = f"language={iso639_2(track.language)}"
    if track.title:
        # MP4 and MOV have no title of a stream; what players show there is the handler's name.
        options[f"metadata:s:{index}"] = f"{'handler_name' if suffix in _MOV_LIKE else 'title'}={track.title}"
    options[f"disposition:{kind}:{number}"] = "default" if track.default else "0"


def _sound(number: int, track: AudioTrack, video: VideoStream):
    """The track at 48 kHz, exactly as long as the picture."""
    # ffmpeg-python takes equal nodes for one; the queue size, different for each track, lets a file be used twice.
    if track.encoded:
        return ffmpeg.input(url(track.path), thread_queue_size=64 + number)["a:0"]
    samples = sample_at(video.num_frames / video.rate, SAMPLE_RATE)
    sound = ffmpeg.input(url(track.path), thread_queue_size=64 + number)["a:0"].filter("asetpts", "PTS-STARTPTS")
    sound = sound.filter("aresample", SAMPLE_RATE, filter_size=64, cutoff=0.97, internal_sample_fmt="fltp")
    return sound.filter("apad").filter("atrim", end_sample=samples)


def _encode(options: dict, number: int, track: AudioTrack, settings: RenderSettings) -> None:
    if track.encoded:
        options[f"c:a:{number}"] = "copy"
        return
    if settings.audio_codec in _LOSSY:
        with open_media(track.path) as container:
            if not container.streams.audio:
                raise MediaError(f"{track.path} has no sound")
            channels = container.streams.audio[0].codec_context.channels
        options[f"c:a:{number}"] = _LOSSY[settings.audio_codec]
        options[f"b:a:{number}"] = f"{bit_rate(settings, channels)}k"
        return
    encoder, sample_format = _LOSSLESS[settings.audio_codec]
    options[f"c:a:{number}"] = encoder
    if sample_format:
        options[f"sample_fmt:a:{number}"] = sample_format
        options[f"bits_per_raw_sample:a:{number}"] = 24


def bit_rate(settings: RenderSettings, channels: int) -> int:
    """kbit/s of a lossy track."""
    return min(settings.audio_bitrate * channels // 2, 256 * channels)


def _subtitles(media, added: Sequence[SubtitleTrack], settings, suffix: str) -> tuple[list[tuple], list[str]]:
    """Triples (stream, codec, track) of the subtitles that the container takes, and what it does not take."""
    chosen, skipped = [], []
    if settings.subtitles and media.subtitles:
        source = ffmpeg.input(url(media.path), itsoffset=-media.video.start)
        for stream in media.subtitles:
            codec = _subtitle_codec(stream.codec, suffix)
            if codec is None:
                skipped.append(
                    f"subtitle stream {stream.index} ({stream.codec}) does not fit into {suffix}; .mkv takes it"
                )
                continue
            track = SubtitleTrack(media.path, stream.language, stream.title)
            chosen.append((source[str(stream.index)], codec, track))
    for track in added:
        text = ffmpeg.input(url(track.path), thread_queue_size=64 + len(chosen))["s:0"]
        chosen.append((text, "mov_text" if suffix in _MOV_LIKE else _added_codec(track.path), track))
    return chosen, skipped


def _subtitle_codec(codec: str, suffix: str) -> str | None:
    if suffix in _MOV_LIKE:
        return "copy" if codec == "mov_text" else "mov_text" if codec in _TEXT else None
    return "subrip" if codec == "mov_text" else None if codec in ("eia_608", "cc_dec") else "copy"


def _added_codec(path: Path) -> str:
    return {".ass": "ass", ".ssa": "ass", ".vtt": "webvtt"}.get(Path(path).suffix.lower(), "subrip")


def _container(video: VideoStream, settings: RenderSettings, suffix: str) -> dict[str, object]:
    """Options of the container: exact clock, same bytes for the same input."""
    common = {"fflags": "+bitexact", "flags:a": "+bitexact", "max_interleave_delta": 0}
    if suffix not in _MOV_LIKE:
        return common | {"f": "matroska", "default_mode": "passthrough", "avoid_negative_ts": "disabled"}
    options = common | {"f": "mov" if suffix == ".mov" else "mp4", "video_track_timescale": timescale(video)}
    if suffix != ".mov":
        options |= {"movflags": "+faststart", "strict": "experimental"}  # FLAC in MP4 counts as one in older ffmpegs
    if settings.codec == "h265":
        options["tag:v"] = "hvc1"  # what Apple's players ask for
    return options
