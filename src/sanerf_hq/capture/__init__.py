"""Capture: photos or a video → a posed scene, by structure from motion (the extra ``sfm``)."""

from sanerf_hq.capture.capture import capture as capture
from sanerf_hq.capture.config import CaptureConfig as CaptureConfig
from sanerf_hq.capture.report import CaptureReport as CaptureReport
from sanerf_hq.capture.report import PhotoReport as PhotoReport
