"""SANeRF-HQ: promptable 3D object segmentation from posed photos."""

import os

# PyTorch's threads wait for each other by spinning, which starves our kernels' threads and other programs': a
# training step takes ten times as long beside one busy core, and a third longer on an idle machine. GNU
# OpenMP reads this when PyTorch is first imported.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
