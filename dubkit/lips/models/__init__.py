"""The networks: plain ``nn.Module`` with no training or file code. See ``loading.py`` for weights."""
