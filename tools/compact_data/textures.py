"""Surfaces: square pictures of what things are made of or printed with, uint8 (SIZE, SIZE, 3)."""

from __future__ import annotations

import cv2
import numpy as np

from compact_data.print_marks import printed

SIZE = 256
Picture = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]
Plane = np.ndarray[tuple[int, int], np.dtype[np.float32]]


def colour(rng: np.random.Generator, vivid: float = 0.5) -> np.ndarray:
    """A colour in [0, 1]: greys, browns and whites are as frequent in rooms as they are here."""
    if rng.random() > vivid:
        value = rng.beta(1.2, 1.0)
        tint = rng.normal(0, 0.04, 3) + np.array([0.03, 0.0, -0.04]) * rng.random()
        return np.clip(value + tint, 0.02, 0.98)
    hue, saturation, value = rng.random() * 360, rng.beta(1.5, 2.0), rng.beta(2.2, 1.3)
    hsv = np.array([[[hue, saturation, value]]], np.float32)
    return np.clip(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(float), 0.02, 0.98)


def noise(rng: np.random.Generator, first: int = 4, octaves: int = 5, roughness: float = 0.5) -> Plane:
    """Smooth noise of several octaves, in [0, 1]."""
    total = np.zeros((SIZE, SIZE), np.float32)
    amplitude = 1.0
    for octave in range(octaves):
        cells = min(SIZE, first * 2**octave)
        grid = rng.random((cells, cells), dtype=np.float32)
        total += amplitude * cv2.resize(grid, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
        amplitude *= roughness
    low, high = float(total.min()), float(total.max())
    return (total - low) / (high - low + 1e-6)


def _ramp(plane: Plane, colours: list[np.ndarray]) -> Picture:
    """Map [0, 1] to a run of colours."""
    stops = np.linspace(0, 1, len(colours))
    channels = [np.interp(plane, stops, [c[i] for c in colours]) for i in range(3)]
    return (np.stack(channels, -1) * 255).astype(np.uint8)


def _kin(rng: np.random.Generator, base: np.ndarray, spread: float) -> np.ndarray:
    return np.clip(base * rng.uniform(1 - spread, 1 + spread) + rng.normal(0, spread * 0.15, 3), 0.01, 0.99)


def _grid() -> tuple[Plane, Plane]:
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    return x, y


def plain(rng: np.random.Generator) -> Picture:
    base = colour(rng)
    weak = rng.uniform(0.0, 0.12)
    return _ramp(noise(rng, int(rng.integers(2, 60)), 4), [_kin(rng, base, weak), _kin(rng, base, weak)])


def cloudy(rng: np.random.Generator) -> Picture:
    base = colour(rng)
    strong = rng.uniform(0.1, 0.7)
    n = int(rng.integers(2, 5))
    plane = noise(rng, int(rng.integers(2, 24)), 6, rng.uniform(0.4, 0.8))
    return _ramp(plane, [_kin(rng, base, strong) for _ in range(n)])


def marble(rng: np.random.Generator) -> Picture:
    x, y = _grid()
    warp = noise(rng, 3, 6, 0.6)
    waves = np.sin((x * rng.uniform(-9, 9) + y * rng.uniform(-9, 9) + warp * rng.uniform(4, 16)) * 3)
    base = colour(rng, 0.25)
    return _ramp((np.abs(waves) ** rng.uniform(0.2, 0.9)).astype(np.float32), [colour(rng, 0.2), base, base])


def wood(rng: np.random.Generator) -> Picture:
    x, _ = _grid()
    boards = int(rng.choice([1, 1, 3, 4, 6]))
    board = np.floor(x * boards)
    shift = rng.random(boards + 1)[board.astype(int)].astype(np.float32)
    rings = np.sin((x + shift * 3 + 0.12 * noise(rng, 3, 3)) * rng.uniform(30, 120) + 4 * noise(rng, 2, 3))
    fibre = cv2.resize(rng.random((16, SIZE), dtype=np.float32), (SIZE, SIZE))
    base = np.clip(np.array([0.62, 0.42, 0.26]) * rng.uniform(0.35, 1.5) + rng.normal(0, 0.04, 3), 0.03, 0.97)
    plane = np.clip(0.5 + 0.25 * rings + 0.3 * (fibre - 0.5) + 0.5 * (shift - 0.5), 0, 1)
    picture = _ramp(plane, [base * rng.uniform(0.5, 0.9), base])
    if boards > 1:
        picture[np.abs(x * boards - np.round(x * boards)) < 0.012 * boards] //= 3
    return picture


def stripes(rng: np.random.Generator) -> Picture:
    x, y = _grid()
    angle = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])
    along = (x * np.cos(angle) + y * np.sin(angle)) * rng.integers(3, 24)
    colours = [colour(rng) for _ in range(int(rng.integers(2, 5)))]
    edges = np.sort(rng.random(len(colours) - 1))
    index = np.searchsorted(edges, along % 1)
    return (np.array(colours)[index] * 255).astype(np.uint8)


def checks(rng: np.random.Generator) -> Picture:
    x, y = _grid()
    n, m = rng.integers(2, 16, 2)
    even = (np.floor(x * n) + np.floor(y * m)) % 2
    one, other = colour(rng), colour(rng)
    if rng.random() < 0.5:  # tartan: bands of both directions add up
        even = 0.5 * (np.sin(x * n * 6.3) > 0) + 0.5 * (np.sin(y * m * 6.3) > 0.4)
    return _ramp(even.astype(np.float32), [one, other])


def dots(rng: np.random.Generator) -> Picture:
    picture = np.full((SIZE, SIZE, 3), colour(rng) * 255, np.uint8)
    tone = [tuple(int(v) for v in colour(rng) * 255) for _ in range(int(rng.integers(1, 4)))]
    step = int(rng.integers(14, 64))
    for y in range(step // 2, SIZE, step):
        for x in range(step // 2, SIZE, step):
            jitter = rng.normal(0, step * 0.1, 2)
            centre = (int(x + jitter[0]), int(y + jitter[1]))
            cv2.circle(
                picture, centre, int(step * rng.uniform(0.15, 0.35)), tone[rng.integers(len(tone))], -1
            )
    return picture


def bricks(rng: np.random.Generator) -> Picture:
    rows, columns = int(rng.integers(3, 12)), int(rng.integers(2, 7))
    base, mortar = colour(rng, 0.4), colour(rng, 0.1)
    picture = np.full((SIZE, SIZE, 3), mortar * 255, np.uint8)
    gap = int(rng.integers(1, 5))
    high, wide = SIZE / rows, SIZE / columns
    offset = rng.choice([0.0, 0.5])
    for row in range(rows):
        for column in range(-1, columns + 1):
            left = (column + offset * (row % 2)) * wide
            tone = tuple(int(v) for v in _kin(rng, base, 0.25) * 255)
            corner = (int(left + wide) - gap, int((row + 1) * high) - gap)
            cv2.rectangle(picture, (int(left) + gap, int(row * high) + gap), corner, tone, -1)
    grain = (noise(rng, 32, 3, 0.8) - 0.5)[..., None] * 255 * rng.uniform(0.05, 0.4)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def woven(rng: np.random.Generator) -> Picture:
    x, y = _grid()
    n = int(rng.integers(24, 90))
    weave = np.sin(x * n * 6.283) * np.sin(y * n * 6.283) * 0.5 + 0.5
    shade = 0.7 * weave + 0.3 * noise(rng, 4, 4)
    base = colour(rng)
    return _ramp(shade.astype(np.float32), [base * rng.uniform(0.4, 0.9), base])


def pebbles(rng: np.random.Generator) -> Picture:
    n = int(rng.integers(20, 400))
    seeds = np.ones((SIZE, SIZE), np.uint8)
    spots = rng.integers(0, SIZE, (n, 2))
    seeds[spots[:, 0], spots[:, 1]] = 0
    away, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    base, spread = colour(rng, 0.4), rng.uniform(0.1, 0.6)
    tones = np.array([_kin(rng, base, spread) for _ in range(n + 2)])
    fall = np.clip(1.1 - away / (SIZE / np.sqrt(n)) * rng.uniform(0.3, 1.2), 0.1, 1)
    return (np.clip(tones[labels % (n + 2)] * fall[..., None], 0, 1) * 255).astype(np.uint8)


def foliage(rng: np.random.Generator) -> Picture:
    base = colour(rng, 0.8) if rng.random() < 0.3 else np.array([0.25, 0.45, 0.15]) * rng.uniform(0.5, 1.6)
    picture = np.full((SIZE, SIZE, 3), np.clip(base * 0.3, 0, 1) * 255, np.uint8)
    for i in range(int(rng.integers(60, 300))):
        tone = np.clip(_kin(rng, base, 0.5) * (0.4 + i / 300), 0, 1) * 255
        axes = (int(rng.uniform(6, 26)), int(rng.uniform(2, 9)))
        centre = tuple(int(v) for v in rng.integers(0, SIZE, 2))
        angle = rng.uniform(0, 360)
        cv2.ellipse(picture, centre, axes, angle, 0, 360, tuple(int(v) for v in tone), -1, cv2.LINE_AA)
    return picture


def gradient(rng: np.random.Generator) -> Picture:
    x, y = _grid()
    if rng.random() < 0.5:
        plane = x * np.float32(rng.uniform(-1, 1)) + y * np.float32(rng.uniform(-1, 1))
    else:
        plane = np.hypot(x - np.float32(rng.random()), y - np.float32(rng.random()))
    plane = (plane - plane.min()) / (float(np.ptp(plane)) + 1e-6)
    return _ramp(plane, [colour(rng) for _ in range(int(rng.integers(2, 4)))])


def scratched(rng: np.random.Generator) -> Picture:
    """Metal or worn paint: a plain tone, streaks one way, stains."""
    base = colour(rng, 0.25)
    streaks = cv2.resize(rng.random((SIZE, 6), dtype=np.float32), (SIZE, SIZE))
    stains = np.clip(noise(rng, 3, 6, 0.7) * 3 - rng.uniform(1, 2.4), 0, 1)
    plain_part = base * (0.8 + 0.4 * streaks[..., None])
    stained = colour(rng, 0.5) * np.ones_like(plain_part)
    return (np.clip(plain_part + (stained - plain_part) * stains[..., None], 0, 1) * 255).astype(np.uint8)


KINDS = (
    (plain, 5.0),
    (cloudy, 3.0),
    (marble, 1.5),
    (wood, 3.0),
    (stripes, 1.2),
    (checks, 1.0),
    (dots, 0.7),
    (bricks, 1.2),
    (woven, 1.5),
    (pebbles, 1.0),
    (foliage, 0.6),
    (gradient, 1.0),
    (scratched, 2.0),
)


def material(rng: np.random.Generator) -> Picture:
    """What a thing, a floor or a wall may be made of."""
    weights = np.array([weight for _, weight in KINDS])
    picture = KINDS[rng.choice(len(KINDS), p=weights / weights.sum())][0](rng)
    if rng.random() < 0.15:  # dirt, shade, wear
        stain = 1 - rng.uniform(0.2, 0.7) * noise(rng, 3, 5, 0.6)[..., None] ** 2
        picture = (picture * stain).astype(np.uint8)
    return picture


def packaging(rng: np.random.Generator) -> Picture:
    """A printed face: a background of one material or colour, with a picture, marks and text on it."""
    if rng.random() < 0.6:
        background = np.full((SIZE, SIZE, 3), colour(rng, 0.75) * 255, np.uint8)
    else:
        background = (gradient, plain, stripes, cloudy)[rng.integers(4)](rng)
    inset = material(rng) if rng.random() < 0.4 else None
    return printed(rng, background, [colour(rng, 0.7) for _ in range(4)], inset)
