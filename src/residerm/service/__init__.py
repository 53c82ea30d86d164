"""A model behind HTTP: an API under /v1 and a page at /, on FastAPI, without torch.

    serve("starter")                                   until SIGTERM or Ctrl-C
    answers = ask(["photo.jpg"])                       from another program

Data flows one way: bytes (uploads) → pixels (imaging) → queue → model and trust (findings) → answers. Nothing that is
sent is ever written to a file or a log.
"""

from residerm.service.client import ask
from residerm.service.server import Listening, serve

__all__ = ["Listening", "ask", "serve"]
