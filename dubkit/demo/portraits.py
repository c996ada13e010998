"""The two portraits as puppets: where lips, eyes, chin and outline are, in pixels of the original pictures.

Traced by hand. ``x`` grows to the right, ``y`` downwards; left and right are the viewer's.
"""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Eye:
    """An eye and the skin above it that becomes the lid."""

    left: Point  # corner
    right: Point  # corner
    upper: float  # y of the lashes' lower edge in the middle
    lower: float  # y of the lower lid in the middle
    crease: float  # y in the middle above which a blink moves nothing
    lashes: float  # their thickness


@dataclass(frozen=True)
class Portrait:
    """One face, frontal."""

    picture: str
    upper_lip: tuple[Point, ...]  # lower edge of the upper lip, corner to corner
    lower_lip: tuple[Point, ...]  # upper edge of the lower lip, corner to corner
    nose: float  # y of the nose's base: above it the mouth moves nothing
    chin: Point  # lowest point
    neck: float  # y below the chin where the jaw's motion has died away
    eyes: tuple[Eye, Eye]
    box: tuple[float, float, float, float]  # x0 y0 x1 y1 of the face: brow to chin, ear to ear
    pivot: Point  # where the head turns
    shoulders: float  # y below which the body is still
    jaw_drop: float  # pixels that the lower lip falls at most
    teeth: str  # "own": they are in the picture; "drawn"
    teeth_length: float  # pixels of upper teeth that show when the mouth opens
    outline: tuple[Point, ...]  # of the person, against the background


ASTRONAUT = Portrait(
    picture="astronaut",
    upper_lip=((201.5, 139.5), (206, 140.7), (210, 141.4), (216, 142.6), (221, 143.4), (225, 143.6), (229, 143.2),
               (235, 142.3), (240, 141.6), (245, 140.9), (249, 139.5)),
    lower_lip=((201.5, 139.5), (206, 143.4), (210, 146.8), (216, 149.0), (221, 149.7), (225, 149.9), (229, 149.5),
               (235, 148.0), (240, 145.4), (245, 142.1), (249, 139.5)),
    nose=134, chin=(226, 177.5), neck=203,
    eyes=(Eye((192, 99.8), (213.5, 102.2), 98.2, 104.9, 92.0, 2.2), Eye((236.5, 103.6), (260, 104.2), 101.2, 108.0, 95.0, 2.2)),
    box=(178, 78, 270, 180), pivot=(224, 186), shoulders=225, jaw_drop=12.5, teeth="own", teeth_length=6.2,
    outline=((165, 112), (158, 107), (154, 85), (154, 71), (161, 57), (172, 41), (187, 29), (221, 16), (257, 20),
             (275, 30), (286, 43), (297, 60), (300, 75), (300, 92), (296, 107), (288, 120), (280, 128), (272, 136),
             (267, 137), (265, 145), (262, 152), (258, 160), (256, 172), (263, 175), (275, 184), (288, 196), (298, 211),
             (304, 225), (304, 240), (309, 246), (325, 256), (338, 268), (347, 285), (352, 300), (356, 330), (358, 350),
             (350, 360), (340, 360), (330, 512), (18, 512), (20, 414), (24, 371), (31, 314), (41, 286), (52, 261),
             (74, 232), (100, 214), (113, 206), (119, 208), (118, 196), (119, 183), (124, 172), (131, 165), (140, 156),
             (152, 151), (165, 148), (177, 147), (184, 149), (182, 140), (181, 133), (176, 131), (172, 125), (170, 119)),
)  # fmt: skip

ADMIRAL = Portrait(
    picture="admiral",
    upper_lip=((226, 281.5), (233, 280.2), (240, 279.0), (250, 279.3), (262, 280.0), (272, 279.8), (285, 278.8),
               (297, 277.8), (304, 278.6), (310, 280.0)),
    lower_lip=((226, 281.5), (233, 280.2), (240, 279.0), (250, 279.3), (262, 280.0), (272, 279.8), (285, 278.8),
               (297, 277.8), (304, 278.6), (310, 280.0)),
    nose=254, chin=(266, 328), neck=362,
    eyes=(Eye((207, 192), (238, 192), 185.5, 195.0, 180.5, 1.5), Eye((289, 190.5), (322, 188.5), 181.5, 192.0, 176.5, 1.5)),
    box=(172, 150, 362, 332), pivot=(266, 335), shoulders=400, jaw_drop=17.0, teeth="drawn", teeth_length=7.0,
    outline=((259, 22), (280, 26), (300, 34), (331, 54), (350, 80), (352, 86), (362, 89), (370, 91), (372, 107),
             (372, 143), (370, 165), (369, 180), (374, 186), (376, 196), (373, 220), (367, 245), (362, 265), (359, 277),
             (352, 295), (340, 305), (333, 308), (335, 313), (350, 330), (381, 350), (415, 362), (445, 375), (481, 391),
             (495, 408), (504, 440), (508, 480), (512, 600), (10, 600), (18, 543), (27, 486), (34, 436), (45, 407),
             (59, 384), (80, 376), (102, 371), (130, 361), (159, 350), (178, 338), (191, 328), (202, 314), (200, 299),
             (188, 291), (172, 280), (165, 268), (162, 250), (157, 230), (153, 205), (153, 190), (157, 178), (159, 166),
             (152, 155), (150, 140), (150, 115), (152, 95), (160, 89), (173, 86), (176, 66), (184, 57), (205, 43),
             (225, 34), (240, 26)),
)  # fmt: skip
