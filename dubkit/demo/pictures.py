"""Where the demo's pictures come from: files inside packages that dubkit's engines bring anyway. Nothing is fetched.

- ``astronaut``: Eileen Collins, NASA, public domain; in scikit-image.
- ``rocket``: DSCOVR on the launch pad, SpaceX, CC0; in scikit-image.
- ``admiral``: Grace Hopper, US Navy (James S. Davis), public domain; in matplotlib.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from dubkit.errors import EngineUnavailable

_PICTURES = {
    "astronaut": ("skimage", "data/astronaut.png", (512, 512)),
    "rocket": ("skimage", "data/rocket.jpg", (427, 640)),
    "admiral": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", (600, 512)),
}


def picture(name: str) -> np.ndarray:
    """The picture as RGB uint8 (H, W, 3). Raises EngineUnavailable where its package is missing or has changed."""
    package, inside, size = _PICTURES[name]
    spec = find_spec(package)
    path = Path(spec.submodule_search_locations[0], inside) if spec and spec.submodule_search_locations else None
    remedy = "pip install 'dubkit[demo]'"
    if path is None or not path.is_file():
        raise EngineUnavailable("demo", f"the picture {inside} of the package '{package}' is not here", remedy)
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape[:2] != size:
        raise EngineUnavailable("demo", f"{path} is not the picture of {size} pixels that the demo knows", remedy)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
