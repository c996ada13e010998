"""The demo's screenplay. Names and lines are invented; the women in the portraits never said them."""

from __future__ import annotations

from dataclasses import dataclass

from dubkit.demo.portraits import ADMIRAL, ASTRONAUT, Portrait

LANGUAGE, DUB_LANGUAGE = "en", "es"


@dataclass(frozen=True)
class Role:
    """Who speaks, with which face and which voices."""

    name: str
    portrait: Portrait
    voice: str  # of the film
    dub_voice: str
    seed: int  # of blinks and head motion


@dataclass(frozen=True)
class Cue:
    """One line. ``after`` is the pause before it in seconds, from the end of the previous line (negative: overlap)."""

    role: str
    text: str
    dub: str
    after: float = 0.35


@dataclass(frozen=True)
class Scene:
    """One shot: a picture and what is said during it."""

    picture: str  # "single", "close", "two" or "cutaway"
    faces: tuple[str, ...]  # from left to right
    cues: tuple[Cue, ...]
    lead: float = 0.4  # seconds before the first line
    tail: float = 0.45  # seconds after the last one


ROLES = {
    role.name: role
    for role in (
        Role("IRIS", ASTRONAUT, "hibari/heart", "kokoro-wheels/jf_alpha", seed=11),
        Role("RUTH", ADMIRAL, *["kokoro-wheels/jf_gongitsune*0.2+jm_kumo*0.8"] * 2, seed=23),
    )
}

SCENES = (
    Scene(
        "single",
        ("IRIS",),
        (
            Cue(
                "IRIS",
                "Good evening, Admiral. The sky is clear, and the rocket is ready.",
                "Buenas noches, almirante. El cielo está claro y el cohete, listo.",
            ),
        ),
        lead=0.7,
    ),
    Scene(
        "single",
        ("RUTH",),
        (
            Cue(
                "RUTH",
                "Then why do you look as if you had lost your keys?",
                "¿Y por qué esa cara de haber perdido las llaves?",
            ),
        ),
    ),
    Scene(
        "two",
        ("RUTH", "IRIS"),
        (
            Cue("IRIS", "I found a mistake in the landing program.", "Hay un error en el aterrizaje."),
            Cue("RUTH", "Only one?", "¿Solo uno?", after=0.3),
            Cue(
                "IRIS",
                "I can fix it before the launch, I promise.",
                "Lo arreglo antes del lanzamiento, prometido.",
                0.5,
            ),
            Cue("RUTH", "You will fix it before the launch!", "¡Antes del lanzamiento!", after=-1.3),
        ),
    ),
    Scene(
        "cutaway",
        (),
        (Cue("RUTH", "In my day, we used scissors and tape.", "En mis tiempos usábamos tijeras y cinta."),),
        tail=0.6,
    ),
    Scene(
        "close",
        ("IRIS",),
        (
            Cue(
                "IRIS",
                "Tonight it takes five minutes, and a cup of tea.",
                "Hoy bastan cinco minutos y una taza de té.",
            ),
        ),
    ),
    Scene("close", ("RUTH",), (Cue("RUTH", "Make it two cups.", "Que sean dos."),), tail=1.0),
)
