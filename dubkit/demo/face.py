"""Moving a still face: lips that open onto teeth, a jaw that falls, cheeks that widen or purse, lids that close.

All of it is backward warping: for each pixel of the new picture, where in the old one it comes from. What moves
vertically is solved by fixed-point iteration (the field is given where the skin *was*, and asked where it *is*).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import PchipInterpolator

from dubkit.demo.portraits import Eye, Portrait


@dataclass(frozen=True)
class Pose:
    """A face at one moment."""

    open: float = 0.0  # 0: lips closed, 1: widest
    wide: float = 0.0  # -1: pursed (oo), 1: spread (ee)
    blink: float = 0.0  # 0: eyes open, 1: closed
    smile: float = 0.0  # 0: lips meet when not open, 1: as in the picture


class Face:
    """Renders poses of one portrait. ``layer`` is the person as RGBA uint8, enlarged by ``scale``."""

    def __init__(self, portrait: Portrait, layer: np.ndarray, scale: float):
        self.layer, self.scale, self._portrait = layer, scale, portrait
        p, k = portrait, scale
        left, right = p.upper_lip[0][0], p.upper_lip[-1][0]
        self._centre, self._half = (left + right) / 2, (right - left) / 2
        reach = 2.1 * self._half
        x0, x1 = int(self._centre - reach), int(self._centre + reach)
        self._x0, self._y0 = int(x0 * k), int((p.nose - 6) * k)
        x_stop, y_stop = int(x1 * k), int((p.neck + 4) * k)
        self._roi = np.s_[self._y0 : y_stop, self._x0 : x_stop]
        self._source = np.ascontiguousarray(layer[self._roi][..., :3])
        h, w = self._source.shape[:2]
        self._x = np.broadcast_to((np.arange(w, dtype=np.float32) + self._x0) / k, (h, w)).copy()
        self._y = np.broadcast_to(((np.arange(h, dtype=np.float32) + self._y0) / k)[:, None], (h, w)).copy()
        self._columns = self._x[0]
        self._prepare()
        self._lids = [_Lid(eye, layer, k) for eye in p.eyes]

    def _prepare(self) -> None:
        p, half, x, y = self._portrait, self._half, self._columns, self._y
        self._top, self._bottom = _curve(p.upper_lip, x), _curve(p.lower_lip, x)  # (W,) lip edges in the picture
        u = (x - self._centre) / half
        self._arch = (np.maximum(0, 1 - (u / 0.93) ** 2) ** 0.8).astype(np.float32)  # shape of the opening
        t = (y - self._bottom) / (p.chin[1] - self._bottom.max())  # 0 at the lower lip, 1 at the chin
        below = np.clip(t, 0, None)
        reach = half * (0.93 + 0.62 * _smooth(below))
        side = np.maximum(0, 1 - ((self._x - self._centre) / reach) ** 2) ** (0.8 + 0.55 * _smooth(below))
        end = (p.neck - self._bottom.max()) / (p.chin[1] - self._bottom.max())
        depth = np.where(below < 1, 1 - 0.22 * _smooth(below), 0.78 * (1 - _smooth((below - 1) / (end - 1))))
        self._jaw = (side * depth).astype(np.float32)
        self._fade_down = (1 - _smooth(below / 0.8)).astype(np.float32)  # how far the lip alone pulls the skin
        above = np.clip((self._top - y) / (self._top.min() - p.nose), 0, 1)
        self._fade_up = (1 - _smooth(above)).astype(np.float32)
        middle = (self._top + self._bottom).mean() / 2
        self._purse = self._fade_up * np.exp(
            -(((self._x - self._centre) / (1.25 * half)) ** 2) - ((y - middle) / (0.75 * half)) ** 2
        ).astype(np.float32)

    def render(self, pose: Pose) -> np.ndarray:
        """The person in this pose, RGBA uint8, same size as ``layer``."""
        image = self.layer.copy()
        image[self._roi][..., :3] = self._mouth(pose)
        if pose.blink > 0.02:
            for lid in self._lids:
                lid.close(image, pose.blink)
        return image

    def _mouth(self, pose: Pose) -> np.ndarray:
        k, p = self.scale, self._portrait
        gap = self._bottom - self._top  # teeth that the picture itself shows
        meet = 1 - max(pose.smile, min(0.75, 1.4 * pose.open))  # how far the lips close that gap
        drop = p.jaw_drop * pose.open
        lower_lip = -0.55 * meet * gap  # (W,) on top of the jaw's motion
        upper_lip = 0.45 * meet * gap - 0.16 * drop * self._arch

        x = self._centre + (self._x - self._centre) * (1 - (0.19 * pose.wide - 0.12 * pose.open) * self._purse)
        column = (x * k - self._x0).astype(np.float32)
        down, up = (drop * self._jaw + self._fade_down * lower_lip), self._fade_up * upper_lip
        low, high = self._y, self._y
        for _ in range(3):
            low, high = self._y - self._at(down, column, low), self._y - self._at(up, column, high)
        skin_low, skin_high = self._skin(column, low), self._skin(column, high)

        top, bottom = self._along(self._top, column), self._along(self._bottom, column)
        opening = np.maximum(0, gap * (1 - meet) + 1.16 * drop * self._arch)
        opening = self._along(opening, column)
        is_low = np.clip((low - bottom) * k * 0.9 + 0.5, 0, 1)
        is_low = np.maximum(is_low, 1 - np.clip(opening * k / 1.5, 0, 1))  # no dark line beyond the corners
        is_high = np.clip((top - high) * k * 0.9 + 0.5, 0, 1)
        inside = self._interior(x, column, top, upper_lip, opening, pose)
        shade = 1 - 0.30 * np.exp(-(((self._y - (top + self._along(upper_lip, column))) / 0.9) ** 2)) * self._along(
            self._arch.astype(np.float32), column
        ) * np.clip(1 - opening / 2, 0, 1) * (1 if p.teeth == "own" else 0.4)
        out = inside + (skin_low - inside) * is_low[..., None]
        out += (skin_high - out) * is_high[..., None]
        return np.clip(out * shade[..., None] + 0.5, 0, 255).astype(np.uint8)

    def _skin(self, column: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The picture at columns (pixels) and heights (portrait pixels), float32 (H, W, 3)."""
        rows = y * np.float32(self.scale) - np.float32(self._y0)
        return cv2.remap(self._source, column, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).astype(
            np.float32
        )

    def _interior(self, x, column, top, upper_lip, opening, pose: Pose) -> np.ndarray:
        """Teeth, tongue and the dark behind them, float32 (H, W, 3)."""
        p, k = self._portrait, self.scale
        u = (x - self._centre) / self._half
        edge = top + self._along(upper_lip.astype(np.float32), column)  # the upper lip's new lower edge
        v = np.clip((self._y - edge) / np.maximum(opening, 0.5), 0, 1)
        dark, tongue = np.float32([42, 14, 15]), np.float32([140, 70, 68])
        amount = _smooth((v - 0.45) / 0.5) * np.clip(1 - (u / 0.8) ** 2, 0, 1) * np.clip(opening / 8, 0, 1)
        out = dark + (tongue - dark) * (0.75 * amount)[..., None]
        if p.teeth == "own":
            reach = self._along(self._bottom, column) - 0.7
            teeth, shown = self._skin(column, self._y), np.clip((reach - self._y) * k * 0.5 + 0.5, 0, 1)
        else:
            reach = top - 3.0 + p.teeth_length * np.clip(1 - np.abs(u) ** 3, 0, 1)
            gaps = 1 - 0.12 * np.exp(-((((x - self._centre) / 6.3 + 0.5) % 1 - 0.5) ** 2) / 0.006)
            colour = np.float32([186, 168, 146]) * (1 - 0.55 * np.clip(np.abs(u), 0, 1) ** 1.5)[..., None]
            teeth, shown = colour * gaps[..., None], np.clip((reach - self._y) * k * 0.4 + 0.5, 0, 1)
        shadow = 0.62 + 0.38 * _smooth((self._y - edge) / 3.0)  # the upper lip shades the teeth
        shown = shown * np.clip(1.15 - np.abs(u), 0, 1) ** 0.5 * np.clip(opening / 3, 0.45, 1)
        return out + (teeth * shadow[..., None] - out) * shown[..., None]

    def _at(self, field: np.ndarray, column: np.ndarray, y: np.ndarray) -> np.ndarray:
        """A field of the region, read at columns (pixels) and heights (portrait pixels)."""
        row = y * np.float32(self.scale) - np.float32(self._y0)
        return cv2.remap(field.astype(np.float32), column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def _along(self, curve: np.ndarray, column: np.ndarray) -> np.ndarray:
        """A curve over the region's columns, read at ``column`` (pixels)."""
        low = np.clip(np.floor(column).astype(np.int32), 0, len(curve) - 2)
        part = np.clip(column - low, 0, 1)
        return (curve[low] * (1 - part) + curve[low + 1] * part).astype(np.float32)


class _Lid:
    """Pulls the skin above an eye down over it; the lashes travel along."""

    def __init__(self, eye: Eye, layer: np.ndarray, k: float):
        self._k, pad = k, 3
        x0, x1 = int((eye.left[0] - pad) * k), int((eye.right[0] + pad) * k)
        y0, y1 = int((eye.crease - pad) * k), int((eye.lower + 2 * pad) * k)
        self._box = np.s_[y0:y1, x0:x1]
        self._source = np.ascontiguousarray(layer[self._box][..., :3])
        x, self._y = np.meshgrid(np.arange(x0, x1, dtype=np.float32) / k, np.arange(y0, y1, dtype=np.float32) / k)
        self._columns = x * k - x0
        self._y0 = y0
        centre, half = (eye.left[0] + eye.right[0]) / 2, (eye.right[0] - eye.left[0]) / 2
        u = (x - centre) / half
        arch = np.maximum(0, 1 - u**2)
        base = eye.left[1] + (eye.right[1] - eye.left[1]) * (u + 1) / 2
        middle = (eye.left[1] + eye.right[1]) / 2
        self._upper = base + (eye.upper - middle) * arch
        self._lower = base + (eye.lower - middle) * arch
        self._lashes = eye.lashes
        self._crease = np.minimum(base + (eye.crease - middle) * np.maximum(0.35, arch), self._upper - eye.lashes - 0.4)

    def close(self, image: np.ndarray, amount: float) -> None:
        """Draws the closed part into ``image``, RGBA. Only skin stretches; the lashes keep most of their thickness."""
        edge = self._upper + amount * (self._lower - self._upper)
        lashes, thin = self._lashes, self._lashes * (1 - 0.35 * amount)
        skin_end = np.maximum(edge - thin, self._crease + 0.3)
        stretch = np.maximum(self._upper - lashes - self._crease, 0.2) / (skin_end - self._crease)
        source = np.where(self._y < self._crease, self._y, self._crease + (self._y - self._crease) * stretch)
        source = np.where(self._y < skin_end, source, self._upper - (edge - self._y) * lashes / thin)
        rows = (np.minimum(source, self._upper) * self._k - self._y0).astype(np.float32)
        skin = cv2.remap(self._source, self._columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        over = np.clip((edge - self._y) * self._k * 0.8 + 0.5, 0, 1)[..., None]
        eye = image[self._box][..., :3]
        image[self._box][..., :3] = (eye + (skin.astype(np.float32) - eye) * over + 0.5).astype(np.uint8)


def _smooth(t):
    """Smoothstep: 0 below 0, 1 above 1."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def _curve(points, x: np.ndarray) -> np.ndarray:
    """A monotone cubic through the points; level beyond its ends."""
    xs, ys = np.array(points, np.float64).T
    return PchipInterpolator(xs, ys)(np.clip(x, xs[0], xs[-1])).astype(np.float32)
