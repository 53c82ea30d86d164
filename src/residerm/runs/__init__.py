"""The run folder, which holds the results of one training, and the types of its files; readable without torch.

| file | contents |
|---|---|
| `folder` | run folders: create, open and list them |
| `documents` | data.json, environment.json, summary.json and splits.json |
| `splits`, `contents`, `metrics`, `predictions`, `tables` | the CSV files, and how they are read |
| `evaluations` | the folder of an evaluation: scores.json, comparison.json, gallery.json |
"""

from residerm.runs.contents import CONTENTS, Content, contents_bytes, read_contents
from residerm.runs.documents import (
    DataDescription,
    Environment,
    MappingDescription,
    PartCounts,
    SplitProof,
    Summary,
)
from residerm.runs.evaluations import (
    Alignment,
    Evaluation,
    EvaluationScores,
    GalleryImage,
    RunComparison,
    TrainingScores,
)
from residerm.runs.folder import (
    Run,
    RunError,
    config_bytes,
    create_run,
    find_runs,
    is_run,
    open_run,
    read_options,
)
from residerm.runs.metrics import Epoch
from residerm.runs.predictions import PredictionTable, read_outputs, write_outputs
from residerm.runs.splits import SplitRow, groups_by_class, read_splits, split_bytes

__all__ = [
    "CONTENTS",
    "Alignment",
    "Content",
    "DataDescription",
    "Environment",
    "Epoch",
    "Evaluation",
    "EvaluationScores",
    "GalleryImage",
    "MappingDescription",
    "PartCounts",
    "PredictionTable",
    "Run",
    "RunComparison",
    "RunError",
    "SplitProof",
    "SplitRow",
    "Summary",
    "TrainingScores",
    "config_bytes",
    "contents_bytes",
    "create_run",
    "find_runs",
    "groups_by_class",
    "is_run",
    "open_run",
    "read_contents",
    "read_options",
    "read_outputs",
    "read_splits",
    "split_bytes",
    "write_outputs",
]
