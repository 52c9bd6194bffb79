"""Scene to :class:`RadianceField`: density and colour from posed photos."""

from sanerf_hq.radiance.config import PRESETS as PRESETS
from sanerf_hq.radiance.config import GridConfig as GridConfig
from sanerf_hq.radiance.config import RadianceConfig as RadianceConfig
from sanerf_hq.radiance.field import RadianceField as RadianceField
from sanerf_hq.radiance.field import RenderedView as RenderedView
from sanerf_hq.radiance.home import Home as Home
from sanerf_hq.radiance.moments import nearest_moment as nearest_moment
from sanerf_hq.radiance.surfaces import SurfaceSamples as SurfaceSamples
from sanerf_hq.radiance.train import load_radiance_field as load_radiance_field
from sanerf_hq.radiance.train import train_radiance_field as train_radiance_field
from sanerf_hq.radiance.view_order import spread_order as spread_order
from sanerf_hq.radiance.view_samples import ViewSamples as ViewSamples
from sanerf_hq.radiance.view_samples import load_view_samples as load_view_samples
