"""The dashboards of Grafana, as code: a line or two a panel."""

from typing import Final

from zhiyin.dashboards.gateway import GATEWAY
from zhiyin.dashboards.journeys import JOURNEYS
from zhiyin.dashboards.learning import LEARNING
from zhiyin.dashboards.service import SERVICE

DASHBOARDS: Final = (SERVICE, GATEWAY, JOURNEYS, LEARNING)
