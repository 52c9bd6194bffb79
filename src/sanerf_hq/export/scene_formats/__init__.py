"""Scene formats: poses and intrinsics written out again for other programs, photos beside them."""

from sanerf_hq.export.scene_formats.export import SceneFormat as SceneFormat
from sanerf_hq.export.scene_formats.export import export_scene as export_scene
