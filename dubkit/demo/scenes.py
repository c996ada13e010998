"""The shots: who stands where, in front of what, and how the camera moves. Frames are RGB uint8 (720, 1280, 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from dubkit.demo.face import Pose
from dubkit.demo.mouth import poses
from dubkit.demo.pictures import picture
from dubkit.demo.puppet import HEIGHT, WIDTH, Camera, Puppet, head_motion
from dubkit.demo.script import ROLES, SCENES
from dubkit.demo.sound import Soundtrack

# Picture and role → where the portrait stands. In the two-shot, RUTH is on the left and IRIS a step in front of her.
_CAMERAS = {
    ("single", "IRIS"): Camera(2.30, 70, 0),
    ("single", "RUTH"): Camera(1.85, 165, 8),
    ("close", "IRIS"): Camera(2.75, -10, -75),
    ("close", "RUTH"): Camera(2.15, 60, -75),
    ("two", "RUTH"): Camera(1.28, -8, 85),
    ("two", "IRIS"): Camera(2.15, 460, 38),
}
# Picture and role → left, top and width of the backdrop's part that is seen, in pixels of the rocket picture, and blur.
_BACKDROPS = {
    ("single", "IRIS"): (290, 100, 330, 11.0),
    ("single", "RUTH"): (20, 100, 330, 11.0),
    ("close", "IRIS"): (330, 130, 260, 14.0),
    ("close", "RUTH"): (60, 130, 260, 14.0),
    ("two", ""): (40, 60, 560, 7.0),
}
_PUSH = 0.030  # how much closer the camera comes within a shot
_GRAIN = 1.1  # standard deviation of the film grain, code values


@dataclass(frozen=True)
class FaceSeen:
    """A face in one frame."""

    role: str
    box: tuple[float, float, float, float]  # x0 y0 x1 y1, brow to chin, ear to ear


class Stage:
    """Draws the film frame by frame."""

    def __init__(self, soundtrack: Soundtrack):
        self.soundtrack = soundtrack
        total = soundtrack.shots[-1].stop
        self._puppets = {name: Puppet(role.portrait) for name, role in ROLES.items()}
        self._poses = {name: poses(soundtrack.voice(name), total, role.seed) for name, role in ROLES.items()}
        self._loud = {name: _slow(self._poses[name]) for name in ROLES}
        self._sky = picture("rocket")
        self._backdrops = {key: self._blurred(*where) for key, where in _BACKDROPS.items()}
        large = cv2.resize(self._sky, (WIDTH, round(WIDTH * 427 / 640)), interpolation=cv2.INTER_LANCZOS4)
        self._rocket = np.ascontiguousarray(large[110 : 110 + HEIGHT])
        noise = np.random.default_rng(3).normal(0, _GRAIN, (6, HEIGHT, WIDTH, 1))
        self._grain = np.repeat(np.round(noise).astype(np.int8), 3, axis=3)

    def frames(self) -> Iterator[tuple[np.ndarray, list[FaceSeen]]]:
        """Every frame with the faces in it."""
        for scene, shot in zip(SCENES, self.soundtrack.shots, strict=True):
            for n in shot:
                zoom = 1 + _PUSH * (n - shot.start) / len(shot)
                image, faces = self._picture(scene, n, zoom)
                yield self._finish(image, n), faces

    def _picture(self, scene, n: int, zoom: float) -> tuple[np.ndarray, list[FaceSeen]]:
        if not scene.faces:
            return _zoomed(self._rocket, zoom * zoom), []
        who = scene.faces[0] if len(scene.faces) == 1 else ""
        image = _zoomed(self._backdrops[scene.picture, who], (zoom + 1) / 2)  # what is far moves less
        faces = []
        for name in scene.faces:
            puppet, camera = self._puppets[name], _CAMERAS[scene.picture, name].pushed(zoom)
            head = head_motion(n, ROLES[name].seed, self._loud[name][n])
            image = puppet.draw(image, self._poses[name][n], head, camera)
            faces.append(FaceSeen(name, puppet.box(head, camera)))
        return image, faces

    def _blurred(self, left: float, top: float, width: float, blur: float) -> np.ndarray:
        """A part of the launch pad at dusk, out of focus, darker towards the corners."""
        zoom = WIDTH / width
        view = np.float32([[zoom, 0, -left * zoom], [0, zoom, -top * zoom]])
        sharp = cv2.warpAffine(self._sky, view, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        soft = cv2.GaussianBlur(sharp, (0, 0), blur).astype(np.float32)
        y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
        return np.clip(soft * (1.12 - 0.38 * (x**2 + y**2))[..., None], 0, 255).astype(np.uint8)

    def _finish(self, image: np.ndarray, n: int) -> np.ndarray:
        """Film grain: six patterns, over and over."""
        return cv2.add(image, self._grain[n % len(self._grain)], dtype=cv2.CV_8U)


def _zoomed(image: np.ndarray, zoom: float) -> np.ndarray:
    view = np.float32([[zoom, 0, WIDTH / 2 * (1 - zoom)], [0, zoom, HEIGHT / 2 * (1 - zoom)]])
    return cv2.warpAffine(image, view, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def _slow(poses_of_one: list[Pose]) -> np.ndarray:
    """How animated the speaker is, 0..1, following the voice over about half a second."""
    open_ = np.array([pose.open for pose in poses_of_one])
    weights = np.hanning(15)
    return np.convolve(open_, weights / weights.sum(), mode="same")
