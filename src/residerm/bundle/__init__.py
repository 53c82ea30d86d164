"""A model with its description, as it is kept, handed on and used: `load(path)` gives a Predictor."""

from residerm.bundle.description import ModelDescription
from residerm.bundle.predictor import Predictor, load
from residerm.bundle.store import read_bundle, read_description, write_bundle

__all__ = ["ModelDescription", "Predictor", "load", "read_bundle", "read_description", "write_bundle"]
