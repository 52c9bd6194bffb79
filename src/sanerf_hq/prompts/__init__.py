"""What the user means: prompts, lifted to 3D by depth, projected to where they are seen."""

from sanerf_hq.prompts.coverage import covering_views as covering_views
from sanerf_hq.prompts.file import read_prompts as read_prompts
from sanerf_hq.prompts.file import write_prompts as write_prompts
from sanerf_hq.prompts.lift import Cloud as Cloud
from sanerf_hq.prompts.lift import Marks as Marks
from sanerf_hq.prompts.lift import Sightings as Sightings
from sanerf_hq.prompts.lift import cloud_of as cloud_of
from sanerf_hq.prompts.lift import lift as lift
from sanerf_hq.prompts.lift import lost_clicks as lost_clicks
from sanerf_hq.prompts.lift import marks_by_view as marks_by_view
from sanerf_hq.prompts.lift import marks_of as marks_of
from sanerf_hq.prompts.lift import sightings as sightings
from sanerf_hq.prompts.lift import space_cloud as space_cloud
from sanerf_hq.prompts.lift import split_prompts as split_prompts
from sanerf_hq.prompts.prompt import BoxPrompt as BoxPrompt
from sanerf_hq.prompts.prompt import PointPrompt as PointPrompt
from sanerf_hq.prompts.prompt import Prompt as Prompt
from sanerf_hq.prompts.prompt import SpacePrompt as SpacePrompt
from sanerf_hq.prompts.text import find_by_text as find_by_text
from sanerf_hq.prompts.view_prompts import Source as Source
from sanerf_hq.prompts.view_prompts import ViewPrompts as ViewPrompts
