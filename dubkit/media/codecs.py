"""What each output codec and container can hold, and the encoder options that make a piece join exactly with the next.

To add a codec: an entry in ``CODECS``, its name in ``settings.RenderSettings.codec``, and its container below.
All groups of pictures are closed and thread counts are fixed where they change the bytes (x264's and x265's frame threads do).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dubkit.errors import SettingsError
from dubkit.media.frame import PixelFormat
from dubkit.settings import RenderSettings
from dubkit.types import VideoStream

_GOP_SECONDS = 2  # the longest way back to a key frame; what delivery specifications ask for
_X264_THREADS, _X265_FRAME_THREADS = 6, 2
COPY_SPS_ID = 31  # parameter set of what is encoded between copied stretches; 31 is the highest, encoders begin at 0


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to store the picture."""

    encoder: str  # ffmpeg's name
    formats: tuple[str, ...]  # planar YUV layouts it takes, without endianness
    containers: tuple[str, ...]  # suffixes
    options: Callable[
        [RenderSettings, VideoStream, str], dict[str, object]
    ]  # settings, source, layout → ffmpeg options
    even: bool = False  # subsampled sides must be even
    min_size: tuple[int, int] = (1, 1)  # pixels
    fields: bool = False  # keeps interlaced frames as such
    light: bool = False  # carries static HDR metadata


def _x264(settings: RenderSettings, video: VideoStream, layout: str) -> dict[str, object]:
    keyint = round(_GOP_SECONDS * video.rate)
    quality = _crf(settings, 17)
    params = f"keyint={keyint}:open-gop=0:threads={_X264_THREADS}:lookahead-threads=1"
    if video.interlaced:
        params += ":tff=1" if video.top_field_first else ":bff=1"
    if video.mastering_display:
        params += f":mastering-display={video.mastering_display}"
    if video.content_light:
        params += f":cll={video.content_light}"
    return {
        "preset": settings.speed,
        **({"qp": 0} if quality == 0 else {"crf": quality}),  # crf 0 is lossless at 8 bits only, qp 0 always
        "x264-params": params + (f":sps-id={COPY_SPS_ID}" if settings.copy_untouched else ""),
    }


def _x265(settings: RenderSettings, video: VideoStream, layout: str) -> dict[str, object]:
    keyint = round(_GOP_SECONDS * video.rate)
    quality = _crf(settings, 18)
    params = f"keyint={keyint}:open-gop=0:frame-threads={_X265_FRAME_THREADS}:info=0:log-level=error"
    if video.mastering_display:
        params += f":hdr10=1:master-display={video.mastering_display}"
    if video.content_light:
        params += f":max-cll={video.content_light}"
    return {
        "preset": settings.speed,
        **({} if quality == 0 else {"crf": quality}),
        "x265-params": params + (":lossless=1" if quality == 0 else ""),
    }


def _crf(settings: RenderSettings, default: int) -> int:
    if settings.quality is None:
        return default
    if settings.quality > 51:
        raise SettingsError(f"render.quality is a CRF of 0 to 51 for {settings.codec}, got {settings.quality}")
    return settings.quality


def _prores(settings: RenderSettings, video: VideoStream, layout: str) -> dict[str, object]:
    quality = {} if settings.quality is None else {"qscale:v": max(1, settings.quality)}
    return {"profile:v": "4444" if "444" in layout else "hq", "vendor": "apl0", **quality}


def _dnxhr(settings: RenderSettings, video: VideoStream, layout: str) -> dict[str, object]:
    return {"profile:v": {"yuv422p": "dnxhr_hq", "yuv422p10": "dnxhr_hqx", "yuv444p10": "dnxhr_444"}[layout]}


def _ffv1(settings: RenderSettings, video: VideoStream, layout: str) -> dict[str, object]:
    return {"level": 3, "g": 1, "slicecrc": 1}


def _layouts(depths: dict[str, tuple[int, ...]]) -> tuple[str, ...]:
    return tuple(f"yuv{family}p{'' if d == 8 else d}" for family, all_d in depths.items() for d in all_d)


CODECS: dict[str, Codec] = {
    "h264": Codec(
        "libx264", _layouts({"420": (8, 10), "422": (8, 10), "444": (8, 10)}), (".mp4", ".m4v", ".mov", ".mkv"), _x264, even=True,
        fields=True, light=True,
    ),
    "h265": Codec(
        "libx265", _layouts({"420": (8, 10, 12), "422": (8, 10, 12), "444": (8, 10, 12)}),
        (".mp4", ".m4v", ".mov", ".mkv"), _x265, even=True, min_size=(16, 16), light=True,
    ),
    "prores": Codec("prores_ks", _layouts({"422": (10,), "444": (10,)}), (".mov", ".mkv"), _prores, fields=True),
    "dnxhr": Codec(
        "dnxhd", _layouts({"422": (8, 10), "444": (10,)}), (".mov", ".mkv"), _dnxhr, min_size=(256, 120)
    ),
    "ffv1": Codec(
        "ffv1",
        _layouts({"420": (8, 9, 10, 12, 14, 16), "422": (8, 9, 10, 12, 14, 16), "444": (8, 9, 10, 12, 14, 16),
                  "440": (8, 10, 12), "411": (8,), "410": (8,)}),
        (".mkv",), _ffv1,
    ),
}  # fmt: skip

AUDIO_CONTAINERS = {
    "aac": (".mp4", ".m4v", ".mov", ".mkv"),
    "alac": (".mp4", ".m4v", ".mov", ".mkv"),
    "pcm": (".mov", ".mkv"),
    "flac": (".mp4", ".m4v", ".mkv"),
    "opus": (".mp4", ".m4v", ".mkv"),
}


def check_output(output: Path, settings: RenderSettings, video: VideoStream | None = None) -> None:
    """Raises SettingsError, before any work, where the container cannot hold what the settings ask for."""
    suffix = Path(output).suffix.lower()
    codec = CODECS[settings.codec]
    known = sorted({s for c in CODECS.values() for s in c.containers})
    if suffix not in known:
        raise SettingsError(f"'{Path(output).name}': the output's name must end in one of {', '.join(known)}")
    if suffix not in codec.containers:
        raise SettingsError(
            f"{settings.codec} does not go into {suffix}; name the output {' or '.join(codec.containers)}"
        )
    if suffix not in AUDIO_CONTAINERS[settings.audio_codec]:
        fitting = [name for name, suffixes in AUDIO_CONTAINERS.items() if suffix in suffixes]
        raise SettingsError(
            f"sound as {settings.audio_codec} does not go into {suffix}; choose {', '.join(fitting)}, or name the output "
            f"{' or '.join(AUDIO_CONTAINERS[settings.audio_codec])}"
        )
    if settings.codec in ("h264", "h265"):
        _crf(settings, 0)
    if video and (video.width < codec.min_size[0] or video.height < codec.min_size[1]):
        raise SettingsError(
            f"{settings.codec} needs pictures of at least {codec.min_size[0]}x{codec.min_size[1]}, "
            f"this film has {video.width}x{video.height}; choose another render.codec"
        )


def left_out(settings: RenderSettings, video: VideoStream) -> list[str]:
    """What the source's picture carries and this codec does not, in plain words."""
    codec, lost = CODECS[settings.codec], []
    if video.interlaced and not codec.fields:
        lost.append(
            f"{settings.codec} is written without the mark 'interlaced'; the fields lie in its frames as they were"
        )
    if (video.mastering_display or video.content_light) and not codec.light:
        lost.append(
            f"{settings.codec} does not carry the HDR metadata (mastering display, light levels); h264 and h265 do"
        )
    if settings.codec == "dnxhr" and video.color_matrix not in ("bt709", "gbr", "unknown"):
        lost.append(
            f"ffmpeg's DNxHR marks its pictures as BT.709; the container says {video.color_matrix}, but programs that trust "
            "the pictures will show wrong colours: use prores, h264 or h265 for this film"
        )
    return lost


def encoded_format(source: PixelFormat, codec: Codec) -> str:
    """The codec's layout nearest to the source's: nothing lost if possible, then nothing added (ffmpeg's name)."""

    def distance(layout: str) -> tuple:
        family, _, bits = layout.removeprefix("yuv").partition("p")
        depth, chroma = int(bits or 8), _CHROMA[family]
        lost_depth = max(0, source.depth - depth)
        lost_chroma = sum(max(0, c - s) for c, s in zip(chroma, source.chroma, strict=True))
        extra = abs(depth - source.depth) + sum(abs(c - s) for c, s in zip(chroma, source.chroma, strict=True))
        return lost_chroma > 0, lost_depth, lost_chroma, extra

    best = min(codec.formats, key=distance)
    return best if best.endswith("p") else best + "le"


_CHROMA = {"420": (1, 1), "422": (1, 0), "444": (0, 0), "440": (0, 1), "411": (2, 0), "410": (2, 2)}
