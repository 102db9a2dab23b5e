"""Draws one face from its parameters, with OpenCV.

Face coordinates: the origin is between the eyes and the mouth, x to the right of the
image, y down; the head is about 1.5 wide and 2 high. Action units move the control
points of brows, lids, nose, lips and jaw; see `kerasfer.data.synthetic`.
"""

import numpy as np

from kerasfer.vision.images import cv2

_SHIFT = 4  # OpenCV takes points in sixteenths of a pixel
_TEETH, _MOUTH, _EYE_WHITE = (236, 233, 224), (58, 18, 22), (240, 238, 234)


class Pen:
    """Polygons and lines in face coordinates on an RGB canvas.

    Args:
        side: of the square canvas in pixels.
        zoom: canvas sides per face unit.
        roll, yaw: of the head in radians; yaw shifts what sticks out and narrows the
            far side.
        background: uint8 (side, side, 3), drawn upon.
    """

    def __init__(self, side, zoom, roll, yaw, background):
        self.canvas, self.scale, self.yaw = background, side * zoom, yaw
        self.turn = np.array(
            [[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]]
        )
        self.middle = np.array([0.5, 0.48]) * side

    def pixels(self, points):
        points = np.asarray(points, np.float64)
        x, y = points[:, 0], points[:, 1]
        # A head is round: the middle of the face is nearer and moves farther.
        depth = np.sqrt(np.maximum(0.0, 1.0 - (x / 0.85) ** 2))
        turned = np.stack([x * np.cos(self.yaw) + 0.6 * np.sin(self.yaw) * depth, y], 1)
        return turned @ self.turn.T * self.scale + self.middle

    def fill(self, points, color):
        fixed = np.round(self.pixels(points) * 2**_SHIFT).astype(np.int32)
        cv2.fillPoly(self.canvas, [fixed], _rgb(color), cv2.LINE_AA, _SHIFT)

    def line(self, points, color, width):
        fixed = np.round(self.pixels(points) * 2**_SHIFT).astype(np.int32)
        thickness = max(1, round(width * self.scale))
        cv2.polylines(
            self.canvas, [fixed], False, _rgb(color), thickness, cv2.LINE_AA, _SHIFT
        )

    def disc(self, center, radius, color):
        angles = np.linspace(0, 2 * np.pi, 20)
        circle = np.stack([np.cos(angles), np.sin(angles)], 1) * radius
        self.fill(circle + center, color)


def draw_face(pen, look, au):
    """Draws a head.

    Args:
        pen: a `Pen`.
        look: dict of the subject's traits, as `kerasfer.data.synthetic` samples them.
        au: dict of intensities in [0, 1] by action unit, e.g. au[12]; au["skew"] in
            [-1, 1] makes AU12 one-sided.
    """
    skin = np.array(look["skin"])
    _hair_behind(pen, look)
    _head(pen, look, au, skin)
    _creases(pen, look, au, skin)
    for sign in (-1, 1):
        _eye(pen, look, au, skin, sign)
        _brow(pen, look, au, sign)
    _nose(pen, look, au, skin)
    if look["beard"] > 0:
        _beard(pen, look, au)
    _mouth(pen, look, au, skin)
    _hair_above(pen, look)
    if look["glasses"]:
        _glasses(pen)


def _hair_behind(pen, look):
    width = look["width"]
    if look["hair"] == "long":
        pen.fill(_oval(0, -0.15, width * 1.2, 1.15, power=2.4), look["hair_color"])
        side = [(-1.15, 0), (1.15, 0), (1.2, 1.2), (-1.2, 1.2)]
        pen.fill([(x * width, y) for x, y in side], look["hair_color"])
    shirt = [
        (-0.45, 0.75),
        (0.45, 0.75),
        (0.5, 1.1),
        (1.3, 1.4),
        (-1.3, 1.4),
        (-0.5, 1.1),
    ]
    pen.fill(shirt, look["shirt"])
    neck = np.array(look["skin"]) * 0.78
    pen.fill([(-0.36, 0.5), (0.36, 0.5), (0.4, 1.15), (-0.4, 1.15)], neck)


def _head(pen, look, au, skin):
    for sign in (-1, 1):
        pen.fill(
            _oval(sign * look["width"], 0.02, 0.1, 0.2), skin * (0.82 + 0.05 * sign)
        )
    drop = 0.16 * au[26]
    upper = _oval(0, 0, look["width"], 1.0, power=2.3)
    angles = np.linspace(0, np.pi, 24)
    lower = np.stack(
        [
            np.cos(angles) * look["width"] * (1 - look["jaw"] * np.sin(angles) ** 2),
            np.sin(angles) * (0.92 + drop),
        ],
        1,
    )
    pen.fill(np.concatenate([upper[20:], lower]), skin)  # from the left ear over


def _creases(pen, look, au, skin):
    dark, width = skin * 0.72, 0.02 + 0.02 * look["age"]
    raised = min(au[1], 1.0) * 0.6 + au[2] * 0.4
    if raised > 0.25:  # across the forehead
        for height in (-0.66, -0.56):
            pen.line(_arc(0, height, 0.36, -0.05 * raised), skin * 0.82, width)
    if au[4] > 0.2:  # between the brows
        for sign in (-1, 1):
            pen.line(
                [(sign * 0.06, -0.46), (sign * 0.045, -0.3)], dark, width * 1.3 * au[4]
            )
    fold = max(au[12], 0.8 * au[9], 0.4 * au[20])
    if fold > 0.2:  # from the nose to the corners of the mouth
        for sign in (-1, 1):
            strength = fold * max(0.0, 1 + sign * au["skew"])
            if strength > 0.2:
                points = [(0.2, 0.16), (0.34, 0.3), (0.42 + 0.05 * fold, 0.46)]
                shade = skin * (1 - 0.24 * min(1, strength))
                pen.line([(sign * x, y) for x, y in points], shade, width * 1.3)
    if au[6] > 0.2:  # cheeks up, crow's feet
        for sign in (-1, 1):
            cheek = _oval(sign * 0.42, 0.12, 0.2, 0.12)
            pen.fill(cheek, skin * (1 + 0.06 * au[6]))
            pen.line(_arc(sign * 0.34, 0.0, 0.17, 0.06), dark, width)
            for tilt in (-0.06, 0.02):
                pen.line(
                    [(sign * 0.56, -0.12), (sign * 0.68, -0.12 + tilt)], dark, width
                )
    if au[17] > 0.25:  # the chin bulges
        pen.line(_arc(0, 0.74, 0.15, -0.05), dark, width * (0.6 + au[17]))


def _eye(pen, look, au, skin, sign):
    x, y, half = sign * 0.34, -0.16, 0.16
    opening = 0.062 * look["eye"] * (1 + 1.0 * au[5] - 0.25 * au[4] - 0.2 * au[9])
    upper = opening * (1 - au[43])
    lower = opening * 0.75 * (1 - 0.6 * au[6] - 0.35 * au[9]) * (1 - 0.7 * au[43])
    steps = np.linspace(-1, 1, 13)
    bow = 1 - steps**2
    top = np.stack([x + half * steps, y - upper * bow], 1)
    bottom = np.stack([x + half * steps, y + lower * bow], 1)
    pen.fill(_oval(x, y - 0.05, 0.2, 0.13), skin * 0.9)  # the socket
    if upper + lower > 0.012:
        pen.fill(np.concatenate([top, bottom[::-1]]), _EYE_WHITE)
        # The iris is cut off by the lids: intersect its disc with the opening.
        angles = np.linspace(0, 2 * np.pi, 24)
        radius = 0.072
        for size, color in ((radius, look["iris"]), (0.5 * radius, (20, 18, 18))):
            rim_x, rim_y = x + size * np.cos(angles), y + size * np.sin(angles)
            inside = 1 - ((rim_x - x) / half) ** 2
            rim_y = np.clip(rim_y, y - upper * inside, y + lower * inside)
            pen.fill(np.stack([rim_x, rim_y], 1), color)
    pen.line(top, (38, 26, 24), 0.03 * look["lashes"])
    pen.line(bottom, skin * 0.62, 0.014)


def _brow(pen, look, au, sign):
    inner, outer = 0.14 - 0.05 * au[4], 0.55
    base = -0.36 + look["brow_height"]
    lowered = 0.07 * au[4] + 0.05 * au[9]
    inner_y = base - 0.13 * au[1] + lowered * 1.3
    outer_y = base + 0.02 - 0.13 * au[2] + lowered * 0.5
    middle_y = base - 0.045 - 0.07 * (au[1] + au[2]) + lowered
    points = [
        (sign * inner, inner_y),
        (sign * 0.33, middle_y),
        (sign * outer, outer_y),
    ]
    pen.line(_smooth(points), look["brow_color"], look["brow_width"])


def _nose(pen, look, au, skin):
    up = 0.04 * au[9]
    dark, width = skin * 0.74, look["nose"]
    pen.line([(0.05, -0.12), (0.07, 0.08 - up)], skin * 0.86, 0.035)
    pen.line([(-0.02, -0.1), (-0.015, 0.1 - up)], skin * 1.07, 0.04)
    tip = _arc(0, 0.19 - up, width, 0.035)
    pen.line(tip, dark, 0.03)
    for sign in (-1, 1):
        wing = [
            (sign * width, 0.19 - up),
            (sign * (width + 0.035 + 0.03 * au[9]), 0.13 - 1.6 * up),
        ]
        pen.line(wing, dark, 0.026)
        pen.disc((sign * width * 0.5, 0.195 - up), 0.024, skin * 0.5)
    if au[9] > 0.15:  # wrinkles across the bridge
        for height in (-0.2, -0.13, -0.06):
            pen.line(_arc(0, height, 0.1, 0.035), skin * (1 - 0.34 * au[9]), 0.022)


def _mouth_line(look, au, sign):
    """Where the corner of the mouth is."""
    smile = au[12] * max(0.0, 1 + sign * au["skew"])
    smile = min(smile, 1.0)
    x = look["mouth"] * (1 + 0.24 * smile + 0.28 * au[20] - 0.12 * au[17])
    x *= 1 - 0.16 * au[26]
    y = 0.47 - 0.13 * smile + 0.05 * au[20] + 0.1 * au[17] + 0.04 * au[26]
    return sign * x, y


def _mouth(pen, look, au, skin):
    left, right = _mouth_line(look, au, -1), _mouth_line(look, au, 1)
    gap = 0.05 * au[25] + 0.2 * au[26]
    thin = 1 - 0.35 * au[20] - 0.3 * au[12] - 0.2 * au[17]
    upper_y = 0.46 - 0.05 * au[9] - 0.03 * au[12] * au[25] - 0.25 * gap
    lower_y = upper_y + 0.012 + gap - 0.05 * au[17] + 0.03 * au[12]
    lip = look["lip"] * thin
    top = _smooth([left, (0, upper_y - 0.4 * lip), right])
    inner_top = _smooth([left, (0, upper_y), right])
    inner_low = _smooth([left, (0, lower_y), right])
    low = _smooth([left, (0, lower_y + lip), right])
    color = np.array(look["lips"])
    pen.fill(np.concatenate([inner_top, low[::-1]]), color)
    pen.fill(np.concatenate([top, inner_top[::-1]]), color * 0.88)
    if gap > 0.015:
        pen.fill(np.concatenate([inner_top, inner_low[::-1]]), _MOUTH)
        if au[12] + au[20] + au[9] > 0.3 or au[26] > 0.5:
            bite = upper_y + min(gap * 0.55, 0.055)
            teeth = _smooth([_toward(left, 0.12), (0, bite), _toward(right, 0.12)])
            pen.fill(np.concatenate([inner_top[2:-2], teeth[::-1]]), _TEETH)
    else:
        pen.line(inner_top, color * 0.45, 0.022)
    pen.line(_arc(0, lower_y + lip + 0.05, 0.14, 0.02), skin * 0.84, 0.024)


def _beard(pen, look, au):
    chin, width = 0.93 + 0.16 * au[26], look["width"]
    jaw = [(-0.9, 0.05), (-0.74, 0.5), (-0.38, 0.86), (0, 0.95), (0.38, 0.86)]
    jaw += [(0.74, 0.5), (0.9, 0.05), (0.62, 0.3), (0.34, 0.32), (0, 0.28)]
    jaw += [(-0.34, 0.32), (-0.62, 0.3)]
    points = [(x * width * 1.04, y * (chin if y > 0.8 else 1)) for x, y in jaw]
    before = pen.canvas.copy()
    pen.fill(points, look["hair_color"])
    cv2.addWeighted(
        pen.canvas, look["beard"], before, 1 - look["beard"], 0, dst=pen.canvas
    )


def _hair_above(pen, look):
    width, kind = look["width"], look["hair"]
    if kind == "bald":
        return
    line = look["hairline"]
    angles = np.linspace(np.pi, 2 * np.pi, 21)
    outer = np.stack([np.cos(angles) * width * 1.07, -0.1 + np.sin(angles) * 0.97], 1)
    fringe = _smooth(
        [(width * 0.98, -0.28), (look["parting"], line), (-width * 0.98, -0.28)]
    )
    pen.fill(np.concatenate([outer, fringe]), look["hair_color"])


def _glasses(pen):
    for sign in (-1, 1):
        ring = _oval(sign * 0.34, -0.14, 0.24, 0.17, power=3.0)
        pen.line(np.concatenate([ring, ring[:1]]), (34, 30, 32), 0.03)
        pen.line([(sign * 0.58, -0.17), (sign * 0.85, -0.14)], (34, 30, 32), 0.028)
    pen.line([(-0.1, -0.16), (0.1, -0.16)], (34, 30, 32), 0.028)


def _oval(x, y, half_width, half_height, power=2.0):
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    cos, sin = np.cos(angles), np.sin(angles)
    exponent = 2.0 / power
    return np.stack(
        [
            x + half_width * np.sign(cos) * np.abs(cos) ** exponent,
            y + half_height * np.sign(sin) * np.abs(sin) ** exponent,
        ],
        1,
    )


def _arc(x, y, half_width, sag):
    """A bow through (x - w, y), (x, y + sag), (x + w, y)."""
    steps = np.linspace(-1, 1, 9)
    return np.stack([x + half_width * steps, y + sag * (1 - steps**2)], 1)


def _smooth(points, steps=15):
    """The parabola through three points, in x by its parameter."""
    a, b, c = (np.asarray(p, np.float64) for p in points)
    t = np.linspace(0, 1, steps)[:, None]
    control = 2 * b - 0.5 * (a + c)
    return (1 - t) ** 2 * a + 2 * t * (1 - t) * control + t**2 * c


def _toward(corner, share):
    """A point on the way from the corner of the mouth to its middle."""
    return corner[0] * (1 - share), corner[1]


def _rgb(color):
    return tuple(float(min(255.0, max(0.0, value))) for value in color)
