"""Scores against truth, and the ways to read them: metrics.json, an HTML page, a table."""

from sanerf_hq.evaluate.held import Held as Held
from sanerf_hq.evaluate.held import Holdings as Holdings
from sanerf_hq.evaluate.held import find_held as find_held
from sanerf_hq.evaluate.metrics import Confusion as Confusion
from sanerf_hq.evaluate.metrics import PixelError as PixelError
from sanerf_hq.evaluate.metrics import psnr as psnr
from sanerf_hq.evaluate.pictures import ObjectPictures as ObjectPictures
from sanerf_hq.evaluate.pictures import RenderView as RenderView
from sanerf_hq.evaluate.pictures import ScenePictures as ScenePictures
from sanerf_hq.evaluate.pictures import contact_sheet as contact_sheet
from sanerf_hq.evaluate.pictures import draw_object_view as draw_object_view
from sanerf_hq.evaluate.protocol import Protocol as Protocol
from sanerf_hq.evaluate.protocol import RunScores as RunScores
from sanerf_hq.evaluate.protocol import SceneBench as SceneBench
from sanerf_hq.evaluate.protocol import bench_scene as bench_scene
from sanerf_hq.evaluate.protocol import masks_alone as masks_alone
from sanerf_hq.evaluate.protocol import score_run as score_run
from sanerf_hq.evaluate.protocol import targets_of as targets_of
from sanerf_hq.evaluate.report import write_report as write_report
from sanerf_hq.evaluate.results import BenchResult as BenchResult
from sanerf_hq.evaluate.results import ObjectResult as ObjectResult
from sanerf_hq.evaluate.results import SceneResult as SceneResult
from sanerf_hq.evaluate.score import Candidate as Candidate
from sanerf_hq.evaluate.score import Scores as Scores
from sanerf_hq.evaluate.score import score_views as score_views
from sanerf_hq.evaluate.table import print_table as print_table
