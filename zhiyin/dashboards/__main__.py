"""``python -m zhiyin.dashboards deploy/grafana/dashboards``: write the files that Grafana reads.

In: a folder. Out: one file a dashboard in it; a test holds the files against the tables.
Refused: a folder that is not there (FileNotFoundError).
"""

import argparse
from pathlib import Path

from zhiyin.dashboards import DASHBOARDS
from zhiyin.dashboards.grafana import dashboard_text

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m zhiyin.dashboards", description="Write the dashboards of Grafana.")
    parser.add_argument("folder", type=Path, help="such as deploy/grafana/dashboards")
    folder: Path = parser.parse_args().folder
    for dashboard in DASHBOARDS:
        (folder / f"{dashboard.uid}.json").write_text(dashboard_text(dashboard), "utf-8")
