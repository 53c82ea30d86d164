"""A process that serves colours as `residerm serve` serves a model: `python colour_server.py SECONDS [flags]`.

SECONDS is what a batch takes.
"""

from __future__ import annotations

import sys

import serving

from residerm import cli
from residerm.service import loading
from residerm.service.identity import served

if __name__ == "__main__":
    seconds, *flags = sys.argv[1:]
    predictor = serving.ColourPredictor(before=serving.slow(float(seconds)))
    loading.load_served = lambda model, threads: served(predictor)  # noqa: ARG005
    sys.argv = ["residerm", "serve", "colours", *flags]
    cli.main()
