"""Keep optional packages from reporting to their makers how they are used.

ONNX Runtime, OpenVINO and NNCF do this by default, some as soon as they are imported: they store an id of the machine
in the home folder and send it with the events. A service for patients' images must not.
"""

from __future__ import annotations

import os
import sys
from typing import Any, cast


def switch_off() -> None:
    """Disable the telemetry of packages that are imported later in this process and its children."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("NNCF_CI", "1")
    # OpenVINO has no switch, but does without this package; an entry of None makes its import fail.
    cast("dict[str, Any]", sys.modules).setdefault("openvino_telemetry", None)
