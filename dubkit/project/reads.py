"""What a stage reads besides the artefacts of earlier stages: files, parts of the project file, weights.

Each function gives names and paths, or names and values; the pipeline takes their digests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dubkit.errors import ProjectError
from dubkit.project.schema import ProjectFile
from dubkit.settings import Settings


def resolved(project: ProjectFile, settings: Settings) -> Settings:
    """The settings with the paths of files that replace a stage made absolute, relative to the project file."""
    speech, found = settings.speech, settings.faces
    change = {k: str(project.resolve(v)) for k in ("diarization", "transcript") if (v := getattr(speech, k))}
    shots_file = {"shots": str(project.resolve(found.shots))} if found.shots else {}
    return settings.model_copy(
        update={"speech": speech.model_copy(update=change), "faces": found.model_copy(update=shots_file)}
    )


def output_path(project: ProjectFile, settings: Settings, language: str) -> Path:
    """Where the finished film of a language goes; the suffix follows the codec where the project names none."""
    from dubkit.media.codecs import CODECS

    return project.output_path(language, CODECS[settings.render.codec].containers[0])


def check_outputs(project: ProjectFile, settings: Settings, languages: Sequence[str]) -> None:
    """Raises ProjectError where a dub would be written over a file that the project reads, or over another language's dub,
    and SettingsError where the container of one of these ``languages`` cannot hold what the settings ask for: before any
    work, not after hours."""
    from dubkit.media.codecs import check_output

    read = {"source.film": project.film}
    for language in project.project.target:
        read |= {f"target.{language}.{key}": path for key, path in target_files(project, settings, language).items()}
    made: dict[str, str] = {}  # path in lower case, since not every disk tells cases apart → language
    for language in project.project.target:
        path = output_path(project, settings, language)
        if language in languages:
            check_output(path, settings.render)
        over = [key for key, other in read.items() if path.exists() and other.exists() and path.samefile(other)]
        if (first := made.setdefault(str(path).casefold(), language)) != language:
            over.append(f"the film of '{first}'")
        if over:
            raise ProjectError(
                f"{project.path.name}: the film of '{language}' would be written over {over[0]} ({path}); choose another "
                f"name in [output] or in target.{language}.output"
            )


def film(project: ProjectFile, settings: Settings, language: str | None) -> dict[str, Path]:
    return {"source.film": project.film}


def replacement(section: str, key: str) -> Callable[[ProjectFile, Settings, str | None], dict[str, Path]]:
    def files(project: ProjectFile, settings: Settings, language: str | None) -> dict[str, Path]:
        written = getattr(getattr(settings, section), key)
        return {f"{section}.{key}": project.resolve(written)} if written else {}

    return files


def known_voices(project: ProjectFile, settings: Settings) -> dict[str, Path]:
    """The file of speaker embeddings of every project (or of every such file) in ``speech.known_voices``."""
    found = {}
    for written in settings.speech.known_voices:
        path = project.resolve(written)
        if path.suffix == ".toml":
            path = ProjectFile(path, project.project).folder / "diarize" / "embeddings.npz"
        found[f"speech.known_voices {written}"] = path
    return found


def diarization_files(project: ProjectFile, settings: Settings, language: str | None) -> dict[str, Path]:
    return replacement("speech", "diarization")(project, settings, language) | known_voices(project, settings)


def target_files(project: ProjectFile, settings: Settings, language: str | None) -> dict[str, Path]:
    return {name: project.resolve(path) for name, path in project.project.target[language].files().items()}


def spoken_subtitles(project: ProjectFile, settings: Settings, language: str | None) -> dict[str, Path]:
    written = project.project.target[language].subtitles
    if not (written and settings.render.subtitles):
        return {}
    path = project.resolve(written)
    return {"subtitles" if not path.is_file() or _is_utf8(path) else "subtitles, made UTF-8": path}


def _is_utf8(path: Path) -> bool:
    try:
        path.read_text("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def decisions(project: ProjectFile, language: str | None) -> dict[str, Any]:
    return {
        "cast": [member.model_dump(mode="json", exclude={"voice"}) for member in project.project.cast],
        "locks": [entry.model_dump(mode="json", exclude={"note"}) for entry in project.project.lock],
    }


def voices(project: ProjectFile, language: str | None) -> dict[str, Any]:
    from dubkit.voice.casting import offers

    spoken = project.project.target[language].subtitles
    given = [lock.model_dump(mode="json", exclude={"note"}) for lock in project.project.lock
             if lock.character and (lock.turn or lock.start is not None)]  # fmt: skip
    return {
        # A voice that is installed later makes stale what "auto" may have to speak.
        "installed": [offer.voice for offer in offers("auto", language)] if spoken else [],
        "voices": [[m.name, list(m.speakers), m.voice_for(language)] for m in project.project.cast],
        "target": {k: sorted(v) if isinstance(v, dict) else bool(v) for k, v in project.project.target[language]},
        **({"lines of characters": given} if given else {}),
    }


def source_language(project: ProjectFile, language: str | None) -> dict[str, Any]:
    return {"source.language": project.project.source.language}


def output(project: ProjectFile, language: str | None) -> dict[str, Any]:
    target = project.project.target[language]
    return {"name": project.name, "output": target.output or project.project.output.model_dump()}


def lip_code(project: ProjectFile, language: str | None) -> dict[str, Any]:
    from dubkit.lips.jobs import CODE

    return {"code of the lips": CODE}


def lip_weights(settings: Settings) -> dict[str, str]:
    from dubkit.lips.checkpoint import network_digests

    return network_digests(settings.lips)
