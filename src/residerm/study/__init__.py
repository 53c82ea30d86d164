"""Studies that consist of several trainings. `train_folds` is cross-validation over all folds."""

from residerm.study.folds import CrossValidation, train_folds
from residerm.study.results import FoldResult, FoldScores, Spread

__all__ = ["CrossValidation", "FoldResult", "FoldScores", "Spread", "train_folds"]
