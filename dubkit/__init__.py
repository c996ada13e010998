"""dubkit: re-voice a film in another language and move every actor's lips to the new voice."""

__version__ = "0.1.0"
