"""Serve a model over HTTP: an API under /v1 and a page at /, with FastAPI and without torch.

    serve("starter")                                   until SIGTERM or Ctrl-C
    answers = ask(["photo.jpg"])                       in another program

Data flows one way: bytes (uploads) → pixels (imaging) → queue → model and trust (findings) → answers. Uploads are never
written to a file or a log.
"""

from residerm.service.client import ask
from residerm.service.server import Listening, serve

__all__ = ["Listening", "ask", "serve"]
