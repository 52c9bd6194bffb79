"""Prompts to masks of the training views."""

from sanerf_hq.masks.config import DECODE_PRESETS as DECODE_PRESETS
from sanerf_hq.masks.config import DecodeConfig as DecodeConfig
from sanerf_hq.masks.decode import begin_survey as begin_survey
from sanerf_hq.masks.decode import clicked_points as clicked_points
from sanerf_hq.masks.decode import decode_masks as decode_masks
from sanerf_hq.masks.decode import mask_set as mask_set
from sanerf_hq.masks.decode import shown_to as shown_to
from sanerf_hq.masks.everything import find_everything as find_everything
from sanerf_hq.masks.follow import Shift as Shift
from sanerf_hq.masks.follow import Surface as Surface
from sanerf_hq.masks.follow import find_shift as find_shift
from sanerf_hq.masks.follow import overlap as overlap
from sanerf_hq.masks.follow import shifted_in as shifted_in
from sanerf_hq.masks.mask_set import MaskSet as MaskSet
from sanerf_hq.masks.mask_set import Segment as Segment
from sanerf_hq.masks.mask_set import load_masks as load_masks
from sanerf_hq.masks.mask_set import save_masks as save_masks
from sanerf_hq.masks.nested import without_nested as without_nested
from sanerf_hq.masks.pictures import Pictures as Pictures
from sanerf_hq.masks.rle import RLE as RLE
from sanerf_hq.masks.survey import Polls as Polls
from sanerf_hq.masks.survey import Survey as Survey
from sanerf_hq.masks.together import decode_together as decode_together
