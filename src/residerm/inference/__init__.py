"""A model with its description, as it is kept, handed on and used: `load(path)` gives a Predictor."""

from residerm.description import ModelDescription
from residerm.inference.bundle import read_bundle, read_description, read_trust, write_bundle
from residerm.inference.loading import load
from residerm.inference.predictor import Predictor

__all__ = ["ModelDescription", "Predictor", "load", "read_bundle", "read_description", "read_trust", "write_bundle"]
