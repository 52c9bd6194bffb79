"""Things of several parts: vessels, lamps, plants, figures, tools, furniture; about one unit large."""

from __future__ import annotations

import numpy as np

from compact_data.surfaces import (
    Floats,
    Mesh,
    box,
    grid,
    joined,
    lathe,
    prism,
    rotation,
    superellipsoid,
    tube,
)

Rng = np.random.Generator


def vessel(rng: Rng) -> Mesh:
    """A bottle, can, jar, vase or bowl; perhaps with a label round it, a lid, a handle."""
    n = 24
    z = np.linspace(0, 1, n)
    kind = rng.integers(4)
    base = rng.uniform(0.15, 0.4)
    if kind == 0:  # can, jar, glass, pot
        r = base * (1 + rng.uniform(-0.3, 0.5) * z)
    elif kind == 1:  # bottle
        neck = rng.uniform(0.25, 0.5)
        shoulder = rng.uniform(0.5, 0.75)
        r = base * (neck + (1 - neck) / (1 + np.exp((z - shoulder) * rng.uniform(12, 40))))
    elif kind == 2:  # vase
        r = base * (1 + 0.6 * np.sin(z * rng.uniform(2, 7) + rng.uniform(0, 6.3)))
    else:  # bowl
        r = base * (0.5 + 1.6 * np.sqrt(z))
        z = z * rng.uniform(0.3, 0.6)
    r = np.clip(r, 0.05, None)
    body = lathe(np.r_[0, r], np.r_[0, z])
    pieces = [body.as_part(0)]
    if rng.random() < 0.5:  # open, with an inside
        pieces.append(lathe(np.r_[r[::-1] * 0.93, 0], np.r_[z[::-1], 0.04]).as_part(0))
    else:
        lid = rng.uniform(0.02, 0.12)
        pieces.append(lathe([r[-1] * 1.03] * 2 + [0], [z[-1] - lid, z[-1] + 0.02, z[-1] + 0.02]).as_part(1))
    if rng.random() < 0.5:
        low, high = sorted(rng.integers(2, n - 2, 2))
        if high > low + 2:
            pieces.append(lathe(r[low:high] * 1.015, z[low:high]).as_part(2))
    if rng.random() < 0.4:
        pieces.append(_handle(rng, float(r[n // 2]), float(z[n // 4]), float(z[3 * n // 4])).as_part(0))
    return joined(pieces)


def _handle(rng: Rng, out: float, low: float, high: float) -> Mesh:
    t = np.linspace(0, np.pi, 14)
    reach = rng.uniform(0.12, 0.25)
    x = out * 0.95 + reach * np.sin(t)
    z = (low + high) / 2 - (high - low) / 2 * np.cos(t)
    turn = rotation((0, 0, 1), rng.uniform(0, 6.3))
    return tube(np.stack([x, 0 * t, z], -1), rng.uniform(0.02, 0.05)).moved(turn)


def lamp(rng: Rng) -> Mesh:
    """A foot, a thin arm of one or two bends, a shade."""
    foot = lathe([0, 0.22, 0.22, 0.03, 0], [0, 0, 0.04, 0.06, 0.06])
    knees = [np.array([0, 0, 0.05])]
    for _ in range(int(rng.integers(1, 4))):
        step = np.array([rng.uniform(-0.4, 0.4), rng.uniform(-0.15, 0.15), rng.uniform(0.2, 0.6)])
        knees.append(knees[-1] + step)
    path = _through(np.array(knees), 5)
    shade_r = rng.uniform(0.1, 0.28)
    shade = lathe([shade_r * rng.uniform(0.3, 0.9), shade_r], [rng.uniform(0.15, 0.3), 0])
    tilt = rotation(rng.normal(size=3), rng.uniform(0, 1.2))
    head = shade.moved(tilt, path[-1] + np.array([0, 0, -0.1]))
    return joined([foot.as_part(0), tube(path, rng.uniform(0.008, 0.03)).as_part(1), head.as_part(2)])


def _through(knees: Floats, each: int) -> Floats:
    """Points along straight pieces."""
    stops = np.linspace(0, len(knees) - 1, (len(knees) - 1) * each + 1)
    return np.stack([np.interp(stops, np.arange(len(knees)), knees[:, i]) for i in range(3)], -1)


def plant(rng: Rng) -> Mesh:
    """A pot and leaves on stems."""
    r = rng.uniform(0.12, 0.25)
    pot = lathe([0, r * 0.75, r, r * 0.92, 0], [0, 0, 0.25, 0.25, 0.22])
    pieces = [pot.as_part(0)]
    n, long, wide = int(rng.integers(8, 45)), rng.uniform(0.15, 0.6), rng.uniform(0.03, 0.14)
    for _ in range(n):
        way = np.array([rng.normal(), rng.normal(), rng.uniform(0.2, 2.2)])
        way /= np.linalg.norm(way)
        t = np.linspace(0, 1, 7)[:, None]
        root = np.array([0, 0, 0.24]) + way * rng.uniform(0, 0.45)
        spine = root + way * t * long - np.array([0, 0, rng.uniform(0, 0.5)]) * t**2 * long
        across = np.cross(way, (0, 0, 1))
        across /= np.linalg.norm(across) + 1e-9
        blade = wide * np.sin(np.pi * np.clip(t, 0.02, 0.98)) ** 0.8
        pieces.append(grid(np.stack([spine - across * blade, spine + across * blade], 1)).as_part(1))
        if rng.random() < 0.6:
            stem = np.stack([np.array([0, 0, 0.2]), root])
            pieces.append(tube(stem, 0.008, 6).as_part(1))
    return joined(pieces)


def figure(rng: Rng) -> Mesh:
    """A toy or statue: body, head, limbs, ears, eyes."""
    skin = rng.integers(0, 3, 6)
    pieces = [superellipsoid((0.25, 0.2, 0.3), (1, 1)).moved(np.eye(3), (0, 0, 0.4)).as_part(0)]
    head = np.array([rng.uniform(-0.05, 0.2), 0, rng.uniform(0.7, 0.85)])
    pieces.append(
        superellipsoid(rng.uniform(0.14, 0.24, 3), (1, 1)).moved(np.eye(3), head).as_part(int(skin[0]))
    )
    for side in (-1, 1):
        eye = head + np.array([0.17, 0.07 * side, 0.05])
        pieces.append(superellipsoid((0.03, 0.03, 0.04), (1, 1), 12).moved(np.eye(3), eye).as_part(3))
        ear = superellipsoid((0.04, 0.07, rng.uniform(0.06, 0.2)), (1, 1), 16)
        pieces.append(ear.moved(np.eye(3), head + np.array([0, 0.17 * side, 0.13])).as_part(int(skin[1])))
        for end, row in ((0.15, 0.55), (0.02, 0.25)):
            start = np.array([0.0, 0.15 * side, row])
            stop = np.array(
                [rng.uniform(-0.1, 0.35), side * rng.uniform(0.2, 0.4), end + rng.uniform(0, 0.3)]
            )
            limb = tube(_through(np.stack([start, stop]), 6), rng.uniform(0.04, 0.09))
            pieces.append(limb.as_part(int(skin[2])))
    return joined(pieces)


def tool(rng: Rng) -> Mesh:
    """A handle, a shaft, a head: hammer, screwdriver, brush, wrench, pliers, knife; lying."""
    handle_r = rng.uniform(0.03, 0.07)
    long = rng.uniform(0.25, 0.5)
    swell = handle_r * (1 + 0.25 * np.sin(np.linspace(0, rng.uniform(2, 12), 16)))
    handle = tube(np.stack([np.linspace(-long, 0, 16), np.zeros(16), np.zeros(16)], -1), swell)
    reach = rng.uniform(0.15, 0.5)
    flat = np.diag([1.0, 1.0, rng.uniform(0.3, 1)])
    shaft = tube(np.stack([np.linspace(0, reach, 4), np.zeros(4), np.zeros(4)], -1), rng.uniform(0.012, 0.04))
    kind = rng.integers(4)
    tip = np.array([reach, 0, 0])
    if kind == 0:
        across = np.stack([np.zeros(6), np.linspace(-0.17, 0.17, 6), np.zeros(6)], -1)
        head = tube(across, np.array([1, 1, 0.7, 0.7, 1, 0.6]) * rng.uniform(0.03, 0.07)).moved(
            np.eye(3), tip
        )
    elif kind == 1:
        t = np.linspace(0.6, 2 * np.pi - 0.6, 30)
        ring = 0.1 * np.stack([-np.cos(t), np.sin(t)], -1)
        head = prism(ring * 0.55, ring, 0.04).moved(np.eye(3), tip + np.array([0.07, 0, -0.02]))
    elif kind == 2:
        head = box(rng.uniform(0.04, 0.2, 3)).as_part(0).moved(np.eye(3), tip)
    else:
        head = superellipsoid((0.15, 0.03, 0.01), (1, 1), 12).moved(np.eye(3), tip)
    pieces = [handle.as_part(0), shaft.as_part(1), head.as_part(1)]
    if rng.random() < 0.25:  # pliers, scissors: two of them, crossed
        spread = rng.uniform(0.15, 0.5)
        pieces = [p.moved(rotation((0, 0, 1), a)) for a in (-spread, spread) for p in pieces]
    mesh = joined([p.moved(flat) for p in pieces])
    return mesh.moved(np.eye(3), (0, 0, -mesh.vertices[:, 2].min()))


def furniture(rng: Rng) -> Mesh:
    """A stool, table, shelf or chair of boards and legs."""
    wide, deep, high = rng.uniform(0.4, 0.9, 3)
    board = rng.uniform(0.03, 0.1)
    pieces = [box((wide, deep, board)).as_part(0).moved(np.eye(3), (0, 0, high))]
    leg = rng.uniform(0.03, 0.08)
    for x in (-1, 1):
        for y in (-1, 1):
            foot = np.array([x * (wide / 2 - leg), y * (deep / 2 - leg), 0])
            pieces.append(box((leg, leg, high)).as_part(1).moved(np.eye(3), foot))
    if rng.random() < 0.5:
        pieces.append(
            box((board, deep, rng.uniform(0.3, 0.7))).as_part(0).moved(np.eye(3), (wide / 2, 0, high))
        )
    for _ in range(int(rng.integers(0, 3))):
        pieces.append(
            box((wide, deep, board)).as_part(0).moved(np.eye(3), (0, 0, high * rng.uniform(0.1, 0.9)))
        )
    return joined(pieces)
