"""Images and prompts to masks: models, a baseline, and masks of the user's own."""

from sanerf_hq.segmenters.detection import Detections as Detections
from sanerf_hq.segmenters.detection import Detector as Detector
from sanerf_hq.segmenters.grabcut import GrabCut as GrabCut
from sanerf_hq.segmenters.load import load_detector as load_detector
from sanerf_hq.segmenters.load import load_segmenter as load_segmenter
from sanerf_hq.segmenters.masks import MaskFolder as MaskFolder
from sanerf_hq.segmenters.protocol import DecoderPrompt as DecoderPrompt
from sanerf_hq.segmenters.protocol import Embedding as Embedding
from sanerf_hq.segmenters.protocol import Masks as Masks
from sanerf_hq.segmenters.protocol import Segmenter as Segmenter
from sanerf_hq.segmenters.weights import WEIGHTS as WEIGHTS
from sanerf_hq.segmenters.weights import Weights as Weights
