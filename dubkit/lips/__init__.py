"""Moving the mouths: Wav2Lip per turn, blended into the shot."""
