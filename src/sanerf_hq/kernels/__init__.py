"""Kernels in NVIDIA Warp for CPU and CUDA, with their PyTorch twins in :mod:`.reference`.

Nothing outside this folder knows Warp.
"""

from sanerf_hq.kernels.adam import adam_rows as adam_rows
from sanerf_hq.kernels.choose_samples import allot_samples as allot_samples
from sanerf_hq.kernels.choose_samples import place_samples as place_samples
from sanerf_hq.kernels.composite import accumulate as accumulate
from sanerf_hq.kernels.composite import render_weights as render_weights
from sanerf_hq.kernels.distortion import distortion as distortion
from sanerf_hq.kernels.hash_grid import HashGridLayout as HashGridLayout
from sanerf_hq.kernels.hash_grid import accumulate_table_gradient as accumulate_table_gradient
from sanerf_hq.kernels.hash_grid import hash_grid as hash_grid
from sanerf_hq.kernels.hash_grid import hash_grid_layout as hash_grid_layout
from sanerf_hq.kernels.lit_densities import lit_densities as lit_densities
from sanerf_hq.kernels.ray_march import MarchConfig as MarchConfig
from sanerf_hq.kernels.ray_march import RaySamples as RaySamples
from sanerf_hq.kernels.ray_march import pack as pack
from sanerf_hq.kernels.ray_march import ray_march as ray_march
