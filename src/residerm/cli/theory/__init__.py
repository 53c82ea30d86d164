"""`residerm theory`: the commands that show why residual networks can be trained."""

from __future__ import annotations

from cyclopts import App

from residerm.cli.theory.check import check_
from residerm.cli.theory.depth import depth_
from residerm.cli.theory.flow import flow_

theory = App(name="theory", help="Check the equations, measure gradients, and repeat the degradation experiment.")
for verb in (check_, flow_, depth_):
    theory.command(verb, name=verb.__name__.rstrip("_"))
