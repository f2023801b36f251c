"""What each level of effort spends on a predictor: one row a level (docs/effort.md)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How far the quick fit goes.

    exact_turns, bounded_turns : radii of the turns that find weights, of images without and with steps
    exact_radius, bounded_radius : largest radii of the predictor
    pixels : about how many are looked at in a large image
    caps : of the radius; the best up to each is tried by coding the middle of the image, if there are several
    borders : whether several border sets are compared in the same way
    gain : bits a pixel that a tap must save, in addition to its own, for the time that it takes
    """

    exact_turns: tuple[int, ...]
    bounded_turns: tuple[int, ...]
    exact_radius: int
    bounded_radius: int
    pixels: int
    caps: tuple[int, ...]
    borders: bool
    gain: float


EFFORTS = {
    1: Effort(
        exact_turns=(2, 4),
        bounded_turns=(3,),
        exact_radius=6,
        bounded_radius=6,
        pixels=1 << 15,
        caps=(24,),
        borders=False,
        gain=1e-4,
    ),
    2: Effort(
        exact_turns=(3, 6),
        bounded_turns=(4,),
        exact_radius=8,
        bounded_radius=8,
        pixels=1 << 16,
        caps=(24,),
        borders=False,
        gain=5e-5,
    ),
    3: Effort(
        exact_turns=(4, 6),
        bounded_turns=(4,),
        exact_radius=12,
        bounded_radius=12,
        pixels=1 << 16,
        caps=(24,),
        borders=False,
        gain=2e-5,
    ),
    4: Effort(
        exact_turns=(4, 6, 8),
        bounded_turns=(4, 6),
        exact_radius=16,
        bounded_radius=16,
        pixels=1 << 17,
        caps=(24,),
        borders=False,
        gain=1e-5,
    ),
    5: Effort(
        exact_turns=(4, 6, 10),
        bounded_turns=(4, 6),
        exact_radius=16,
        bounded_radius=24,
        pixels=1 << 17,
        caps=(24,),
        borders=False,
        gain=5e-6,
    ),
    6: Effort(
        exact_turns=(4, 8, 12),
        bounded_turns=(4, 6),
        exact_radius=16,
        bounded_radius=24,
        pixels=1 << 17,
        caps=(24,),
        borders=True,
        gain=2e-6,
    ),
    7: Effort(
        exact_turns=(4, 6, 8, 12),
        bounded_turns=(4, 6),
        exact_radius=16,
        bounded_radius=24,
        pixels=1 << 17,
        caps=(24, 16),
        borders=True,
        gain=0.0,
    ),
    8: Effort(
        exact_turns=(4, 8, 12, 12, 12),
        bounded_turns=(4, 6, 8),
        exact_radius=16,
        bounded_radius=24,
        pixels=1 << 18,
        caps=(24, 16, 12, 8),
        borders=True,
        gain=0.0,
    ),
}
