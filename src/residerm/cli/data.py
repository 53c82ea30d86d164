"""`residerm data`: the verbs that work on archives."""

from __future__ import annotations

from cyclopts import App

from residerm.cli.data_check import check_
from residerm.cli.data_fetch import fetch_
from residerm.cli.data_list import list_
from residerm.cli.data_preview import preview_
from residerm.cli.data_split import split_
from residerm.cli.data_stats import stats_
from residerm.cli.data_synth import synth_

data = App(name="data", help="Archives: fetch, check, describe, divide, draw and preview them.")
for verb in (list_, fetch_, check_, stats_, split_, preview_, synth_):
    data.command(verb, name=verb.__name__.rstrip("_"))
