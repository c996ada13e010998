"""A run that is killed between two pieces of its work."""

from dubkit.pieces import Pieces


class Dying(Pieces):
    """Pieces of a run that is killed when it has kept ``left`` of them; none: it lives. ``made`` are the kept names."""

    def __init__(self, path, left=None):
        super().__init__(path, "00" * 16)
        self.left, self.made = left, []

    def keep(self, name, value):
        super().keep(name, value)
        self.made.append(name)
        if len(self.made) == self.left:
            self.close()
            raise KeyboardInterrupt
