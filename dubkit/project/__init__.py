"""The project file, the store of artefacts, the stages and the pipeline."""
