"""Files to :class:`Scene`: one parser a format; pixels are read when asked for."""

from sanerf_hq.scene.identity import fingerprint as fingerprint
from sanerf_hq.scene.images import has_truth as has_truth
from sanerf_hq.scene.images import instance_mask as instance_mask
from sanerf_hq.scene.images import object_pixels as object_pixels
from sanerf_hq.scene.images import read_depth as read_depth
from sanerf_hq.scene.images import read_image as read_image
from sanerf_hq.scene.images import read_instances as read_instances
from sanerf_hq.scene.images import read_mask as read_mask
from sanerf_hq.scene.images import read_rgba as read_rgba
from sanerf_hq.scene.load import load_scene as load_scene
from sanerf_hq.scene.options import SceneOptions as SceneOptions
from sanerf_hq.scene.photo_size import OWN_SIZE as OWN_SIZE
from sanerf_hq.scene.photo_size import PhotoSize as PhotoSize
from sanerf_hq.scene.photo_size import fitting_size as fitting_size
from sanerf_hq.scene.pictures import png as png
from sanerf_hq.scene.pictures import to_bytes as to_bytes
from sanerf_hq.scene.pixels import TrainingPixels as TrainingPixels
from sanerf_hq.scene.pixels import load_training_pixels as load_training_pixels
from sanerf_hq.scene.scene import ObjectMask as ObjectMask
from sanerf_hq.scene.scene import Scene as Scene
from sanerf_hq.scene.scene import SceneObject as SceneObject
from sanerf_hq.scene.scene import Split as Split
from sanerf_hq.scene.scene import View as View
