"""Training the networks of the Wav2Lip system."""
