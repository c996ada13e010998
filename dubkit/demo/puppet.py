"""A person in a frame: the face's pose, the head's small motion, the camera, and the blend over the background."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from dubkit.demo.face import Face, Pose
from dubkit.demo.matte import cut_out
from dubkit.demo.pictures import picture
from dubkit.demo.portraits import Portrait
from dubkit.demo.sound import FPS

WIDTH, HEIGHT = 1280, 720
_STEP = 8  # the head's motion is smooth: it is worked out for every 8th pixel
_SCALE = {"astronaut": 2.5, "admiral": 2.0}  # enlargement of the portraits, about that of the closest shot


@dataclass(frozen=True)
class Camera:
    """Where a portrait's pixels land: ``frame = scale · portrait + (x, y)``."""

    scale: float
    x: float
    y: float

    def pushed(self, zoom: float) -> Camera:
        """The same view closer by ``zoom``, about the middle of the frame."""
        return Camera(
            self.scale * zoom, WIDTH / 2 + (self.x - WIDTH / 2) * zoom, HEIGHT / 2 + (self.y - HEIGHT / 2) * zoom
        )


@dataclass(frozen=True)
class Head:
    """Small motion of the head against the still portrait, in portrait pixels and degrees."""

    x: float = 0.0
    y: float = 0.0
    turn: float = 0.0  # roll, degrees
    yaw: float = 0.0  # pixels by which the nose moves ahead of the ears
    nod: float = 0.0


class Puppet:
    """One portrait, ready to be drawn in any pose."""

    def __init__(self, portrait: Portrait):
        self.portrait = portrait
        scale = _SCALE[portrait.picture]
        self.face = Face(portrait, cut_out(picture(portrait.picture), portrait.outline, scale), scale)
        self._rest: np.ndarray | None = None
        self._grid = np.meshgrid(
            np.arange(0, WIDTH + _STEP, _STEP, dtype=np.float32), np.arange(0, HEIGHT + _STEP, _STEP, dtype=np.float32)
        )

    def draw(self, frame: np.ndarray, pose: Pose, head: Head, camera: Camera) -> np.ndarray:
        """The frame, RGB uint8, with the person in front of it."""
        x, y = self._sources(head, camera)
        person = cv2.remap(self._layer(pose), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        alpha = person[..., 3].astype(np.float32) / 255
        return cv2.blendLinear(cv2.cvtColor(person, cv2.COLOR_RGBA2RGB), frame, alpha, 1 - alpha)

    def box(self, head: Head, camera: Camera) -> tuple[float, float, float, float]:
        """Where the face is in the frame: x0 y0 x1 y1."""
        x0, y0, x1, y1 = self.portrait.box
        dx, dy = head.x, head.y + head.nod * 0.5
        corners = (x0 + dx, y0 + dy, x1 + dx, y1 + dy)
        return tuple(v * camera.scale + (camera.x, camera.y)[i % 2] for i, v in enumerate(corners))

    def _layer(self, pose: Pose) -> np.ndarray:
        if pose.open < 0.01 and abs(pose.wide) < 0.01 and pose.blink < 0.02 and pose.smile < 0.01:
            if self._rest is None:
                self._rest = self.face.render(Pose())
            return self._rest
        return self.face.render(pose)

    def _sources(self, head: Head, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
        """For each pixel of the frame, the pixel of the layer that it shows: float32 maps (HEIGHT, WIDTH)."""
        p = self.portrait
        x, y = (self._grid[0] - camera.x) / camera.scale, (self._grid[1] - camera.y) / camera.scale
        free = 1 - np.clip((y - p.chin[1]) / (p.shoulders - p.chin[1]), 0, 1)
        free = free * free * (3 - 2 * free)  # 1 on the head, 0 on the body
        angle = math.radians(head.turn)
        rx, ry = x - p.pivot[0], y - p.pivot[1]
        face = ((p.box[0] + p.box[2]) / 2, (p.box[1] + p.box[3]) / 2)
        wide, high = (p.box[2] - p.box[0]) * 0.42, (p.box[3] - p.box[1]) * 0.5
        depth = np.exp(-(((x - face[0]) / wide) ** 2) - ((y - face[1]) / high) ** 2)
        shift_x = -angle * ry + head.x + head.yaw * depth
        shift_y = angle * rx + head.y + head.nod * depth
        return tuple(_enlarge((v - free * shift) * self.face.scale) for v, shift in ((x, shift_x), (y, shift_y)))


def _enlarge(coarse: np.ndarray) -> np.ndarray:
    """A grid with a node at every ``_STEP``-th pixel, linearly interpolated to (HEIGHT, WIDTH)."""
    spread = np.float32([[1 / _STEP, 0, 0], [0, 1 / _STEP, 0]])
    return cv2.warpAffine(
        coarse.astype(np.float32), spread, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )


def head_motion(frame: int, seed: int, loudness: float) -> Head:
    """Slow swaying, different for each ``seed``, with a nod where the speaker is loud."""
    t, random = frame / FPS, np.random.default_rng(seed)
    phase, pace = random.uniform(0, 2 * np.pi, 5), random.uniform(0.8, 1.2, 5)

    def sway(i: int, hertz: float) -> float:
        return math.sin(2 * np.pi * hertz * pace[i] * t + phase[i]) + 0.4 * math.sin(5.1 * hertz * pace[i] * t + i)

    return Head(
        x=1.1 * sway(0, 0.17),
        y=0.7 * sway(1, 0.23) + 1.3 * loudness,
        turn=0.8 * sway(2, 0.13) + 0.5 * loudness * math.sin(2 * np.pi * 0.4 * t + phase[2]),
        yaw=1.0 * sway(3, 0.19),
        nod=0.6 * sway(4, 0.27) + 1.2 * loudness,
    )
