"""`residerm data`: the commands that work on archives."""

from __future__ import annotations

from cyclopts import App

from residerm.cli.data.cache import cache_
from residerm.cli.data.check import check_
from residerm.cli.data.fetch import fetch_
from residerm.cli.data.list import list_
from residerm.cli.data.preview import preview_
from residerm.cli.data.split import split_
from residerm.cli.data.stats import stats_
from residerm.cli.data.synth import synth_

data = App(name="data", help="List, download, check, describe, split, draw and preview archives; clear caches.")
for verb in (list_, fetch_, check_, stats_, split_, preview_, synth_, cache_):
    data.command(verb, name=verb.__name__.rstrip("_"))
