"""Load, run, export and store models with their descriptions: `load(path)` returns a Predictor."""

from residerm.description import ModelDescription
from residerm.inference.bundle import read_bundle, read_description, read_trust, write_bundle
from residerm.inference.loading import load
from residerm.inference.predictor import Predictor

__all__ = ["ModelDescription", "Predictor", "load", "read_bundle", "read_description", "read_trust", "write_bundle"]
