"""`residerm serve` with `ColourPredictor` in place of a model: `python colour_server.py [flags]`.

COLOUR_SECONDS is the time that a batch takes. Spawned workers import this file too and serve the same predictor.
"""

from __future__ import annotations

import os
import sys

import colour_service

from residerm import cli
from residerm.service import loading
from residerm.service.identity import served

_PREDICTOR = colour_service.ColourPredictor(before=colour_service.delay(float(os.environ["COLOUR_SECONDS"])))
loading.load_served = lambda model, threads: served(_PREDICTOR)  # noqa: ARG005

if __name__ == "__main__":
    sys.argv = ["residerm", "serve", "colours", *sys.argv[1:]]
    cli.main()
