"""FAN, the 68-point network of the package ``face-alignment`` (Bulat & Tzimiropoulos 2017, BSD).

Only the package's network is used. A face is cut out as the network was trained: 200 pixels at a scale of one, which is
a box whose width and height add up to 195 (S3FD's boxes), its middle 0.12 of the box's height higher. Points are the
maxima of the heat maps, moved a quarter of a cell towards the higher neighbour; picture and mirror image are averaged.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from dubkit.errors import EngineUnavailable, WeightsError
from dubkit.faces.landmarks import Landmarker, fan_weights

SIDE, CELLS, POINTS = 256, 64, 68
REFERENCE, CUT, HIGHER = 195.0, 200.0, 0.12
BATCH = 8
#: Which point each point becomes in a mirror image (iBUG 300-W): jaw, brows, nose, eyes, outer and inner lips.
MIRRORED = np.array([
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1), 45, 44, 43, 42, 47, 46, 39, 38, 37, 36,
    41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
])  # fmt: skip


class Fan(Landmarker):
    def __init__(self, weights: str | None = None):
        super().__init__(weights)
        import torch
        from face_alignment.models import FAN

        path = Path(weights) if weights else fan_weights()
        if not path.is_file():
            if weights:
                raise WeightsError(
                    f"there is no file '{path}'; faces.landmark_weights must be FAN's {fan_weights().name}"
                )
            raise EngineUnavailable(
                "fan", f"its weights are not at {path}",
                "fetch them (dubkit models fetch fan_2d_4), give the file as faces.landmark_weights, or set "
                'faces.landmarks = "detector"',
            )  # fmt: skip
        self.torch = torch
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.net = FAN(4)
        try:
            self.net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:  # whatever torch raises for a file that is something else
            raise WeightsError(f"'{path}' does not hold FAN's weights: {str(error).splitlines()[0]}") from error
        self.net.to(self.device).eval()

    def locate(self, picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        if not len(boxes):
            return np.zeros((0, POINTS, 2), np.float32)
        corners, sides = squares(boxes)
        cut = [_cut(picture, corner, side) for corner, side in zip(corners, sides, strict=True)]
        inputs = self.torch.from_numpy(np.stack(cut).transpose(0, 3, 1, 2).astype(np.float32) / 255)
        with self.torch.inference_mode():
            heat = self.torch.cat([self._heat(part.to(self.device)) for part in inputs.split(BATCH)]).cpu().numpy()
        return (corners[:, None] + peaks(heat) * (sides / CELLS)[:, None, None]).astype(np.float32)

    def _heat(self, inputs):
        """(N, 68, 64, 64), picture and mirror image added."""
        last = lambda found: found[-1] if isinstance(found, (list, tuple)) else found  # noqa: E731
        plain, mirror = last(self.net(inputs)), last(self.net(inputs.flip(3)))
        return plain + mirror.flip(3)[:, MIRRORED]


def squares(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Upper left corners (N, 2) and sides (N,) of the squares that FAN wants to see, for boxes (N, 4)."""
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    middle = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2 - HIGHER * height], axis=1)
    sides = CUT * (width + height) / REFERENCE
    return middle - sides[:, None] / 2, sides


def _cut(picture: np.ndarray, corner: np.ndarray, side: float) -> np.ndarray:
    scale = SIDE / side
    matrix = np.array([[scale, 0, -scale * corner[0]], [0, scale, -scale * corner[1]]])
    return cv2.warpAffine(
        picture, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR
    )  # black beyond the edges, as in training


def peaks(heat: np.ndarray) -> np.ndarray:
    """(N, K, 2) x y of the maxima of heat maps (N, K, H, W), in cells; a cell's middle is half a cell from its edge."""
    n, k, height, width = heat.shape
    at = heat.reshape(n, k, -1).argmax(axis=2)
    y, x = np.divmod(at, width)
    padded = np.pad(heat, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    rows, maps = np.arange(n)[:, None], np.arange(k)[None]
    value = lambda dy, dx: padded[rows, maps, y + 1 + dy, x + 1 + dx]  # noqa: E731
    towards = np.stack([np.sign(value(0, 1) - value(0, -1)), np.sign(value(1, 0) - value(-1, 0))], axis=2)
    return np.stack([x, y], axis=2) + 0.5 + 0.25 * towards
