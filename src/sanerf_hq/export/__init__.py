"""Take an object out of a run: masks, videos, training sets, points, meshes; label the user's own files."""

from sanerf_hq.export.apply import Applied as Applied
from sanerf_hq.export.apply import apply_object as apply_object
from sanerf_hq.export.camera_path import Keyframe as Keyframe
from sanerf_hq.export.camera_path import through_keyframes as through_keyframes
from sanerf_hq.export.camera_path import turntable as turntable
from sanerf_hq.export.dataset import export_dataset as export_dataset
from sanerf_hq.export.keyframes import read_keyframes as read_keyframes
from sanerf_hq.export.masks import export_masks as export_masks
from sanerf_hq.export.mesh import MeshConfig as MeshConfig
from sanerf_hq.export.mesh import ObjectMesh as ObjectMesh
from sanerf_hq.export.mesh import export_mesh as export_mesh
from sanerf_hq.export.mesh import make_mesh as make_mesh
from sanerf_hq.export.placement import Placement as Placement
from sanerf_hq.export.placement import find_placement as find_placement
from sanerf_hq.export.points import ObjectPoints as ObjectPoints
from sanerf_hq.export.points import export_points as export_points
from sanerf_hq.export.removal import isolated as isolated
from sanerf_hq.export.removal import without as without
from sanerf_hq.export.report import write_run_report as write_run_report
from sanerf_hq.export.target import MovingTarget as MovingTarget
from sanerf_hq.export.target import Target as Target
from sanerf_hq.export.target import find_moving_target as find_moving_target
from sanerf_hq.export.target import find_target as find_target
from sanerf_hq.export.video import encoding_for as encoding_for
from sanerf_hq.export.video import export_video as export_video
