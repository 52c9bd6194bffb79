"""Cameras, rays, poses and frames of reference. No network, no file."""

from sanerf_hq.geometry.cameras import Camera as Camera
from sanerf_hq.geometry.cameras import Distortion as Distortion
from sanerf_hq.geometry.cameras import Projection as Projection
from sanerf_hq.geometry.contraction import contract as contract
from sanerf_hq.geometry.contraction import from_unit as from_unit
from sanerf_hq.geometry.contraction import to_unit as to_unit
from sanerf_hq.geometry.contraction import uncontract as uncontract
from sanerf_hq.geometry.pixel_rays import PixelRays as PixelRays
from sanerf_hq.geometry.poses import focus_point as focus_point
from sanerf_hq.geometry.poses import look_at as look_at
from sanerf_hq.geometry.poses import opengl_to_opencv as opengl_to_opencv
from sanerf_hq.geometry.poses import rigid_defect as rigid_defect
from sanerf_hq.geometry.poses import up_direction as up_direction
from sanerf_hq.geometry.rays import Rays as Rays
from sanerf_hq.geometry.rays import concatenate_rays as concatenate_rays
from sanerf_hq.geometry.world import WorldTransform as WorldTransform
