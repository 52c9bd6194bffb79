"""Masks of some views to objects in space."""

from sanerf_hq.objects.config import OBJECT_PRESETS as OBJECT_PRESETS
from sanerf_hq.objects.config import ObjectConfig as ObjectConfig
from sanerf_hq.objects.config import RayPairConfig as RayPairConfig
from sanerf_hq.objects.field import ObjectField as ObjectField
from sanerf_hq.objects.field import ObjectView as ObjectView
from sanerf_hq.objects.field import object_view as object_view
from sanerf_hq.objects.field import save_object_field as save_object_field
from sanerf_hq.objects.holes import fill_holes as fill_holes
from sanerf_hq.objects.identity_names import identity_names as identity_names
from sanerf_hq.objects.moving import MovingObject as MovingObject
from sanerf_hq.objects.moving import load_moving_masks as load_moving_masks
from sanerf_hq.objects.moving import load_moving_object as load_moving_object
from sanerf_hq.objects.preview import Preview as Preview
from sanerf_hq.objects.preview import preview_of as preview_of
from sanerf_hq.objects.record import Record as Record
from sanerf_hq.objects.record import Recording as Recording
from sanerf_hq.objects.record import recorded_names as recorded_names
from sanerf_hq.objects.record import write_record as write_record
from sanerf_hq.objects.segment import Segmentation as Segmentation
from sanerf_hq.objects.segment import segment_objects as segment_objects
from sanerf_hq.objects.through_time import MovingSegmentation as MovingSegmentation
from sanerf_hq.objects.through_time import segment_moving as segment_moving
from sanerf_hq.objects.train import load_object_field as load_object_field
from sanerf_hq.objects.train import load_segmentation_masks as load_segmentation_masks
from sanerf_hq.objects.train import settings_of as settings_of
from sanerf_hq.objects.train import train_object_field as train_object_field
