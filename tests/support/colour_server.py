"""A process that serves colours as `residerm serve` serves a model: `python colour_server.py [flags]`.

COLOUR_SECONDS is what a batch takes. Workers that are spawned import this file too, and so serve the same.
"""

from __future__ import annotations

import os
import sys

import serving

from residerm import cli
from residerm.service import loading
from residerm.service.identity import served

_PREDICTOR = serving.ColourPredictor(before=serving.slow(float(os.environ["COLOUR_SECONDS"])))
loading.load_served = lambda model, threads: served(_PREDICTOR)  # noqa: ARG005

if __name__ == "__main__":
    sys.argv = ["residerm", "serve", "colours", *sys.argv[1:]]
    cli.main()
