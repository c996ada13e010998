"""``python -m dubkit``."""

from dubkit.cli import main

if __name__ == "__main__":
    main()
