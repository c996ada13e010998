"""A program of its own: speaks standard input with the eSpeak NG library that espeakng-loader carries.

``python espeak_library.py VOICE WORDS_PER_MINUTE OUT.wav < text``. It imports nothing of dubkit, so that the GPL
library never shares a process with it. Functions and constants: eSpeak NG's speak_lib.h.
"""

from __future__ import annotations

import array
import ctypes
import sys
import wave

SYNCHRONOUS, RATE, UTF8_NO_PHONEMES = 2, 1, 1


def main(voice: str, words_per_minute: str, path: str) -> int:
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    sample_rate = library.espeak_Initialize(SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    if sample_rate <= 0:
        sys.stderr.write("the eSpeak NG library could not find its data\n")
        return 1
    if library.espeak_SetVoiceByName(voice.encode()):
        sys.stderr.write("the specified eSpeak NG voice does not exist\n")
        return 1
    library.espeak_SetParameter(RATE, int(words_per_minute), 0)
    samples = array.array("h")

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def collect(chunk, count, events):
        if chunk and count > 0:
            samples.extend(chunk[:count])
        return 0

    library.espeak_SetSynthCallback(collect)
    text = sys.stdin.buffer.read() + b"\0"
    library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 0, 0, UTF8_NO_PHONEMES, None, None)
    library.espeak_Synchronize()
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, sample_rate, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
