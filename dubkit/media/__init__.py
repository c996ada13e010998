"""Films and sound in and out: probe, frame reader, frame writer, audio, ffmpeg."""
