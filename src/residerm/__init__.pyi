from residerm.commands import (
    bench as bench,
    bench_inference as bench_inference,
    bench_service as bench_service,
    calibrate as calibrate,
    check as check,
    clear_caches as clear_caches,
    demo as demo,
    evaluate as evaluate,
    explain as explain,
    export as export,
    fetch as fetch,
    list_archives as list_archives,
    list_caches as list_caches,
    list_models as list_models,
    list_runs as list_runs,
    predict as predict,
    preview as preview,
    resume as resume,
    serve as serve,
    split as split,
    stats as stats,
    synth as synth,
    theory_check as theory_check,
    theory_depth as theory_depth,
    theory_flow as theory_flow,
    train as train,
    train_folds as train_folds,
    train_members as train_members,
)
from residerm.config import Experiment as Experiment
from residerm.data.archives import open_archive as open_archive
from residerm.data.dataset import Dataset as Dataset
from residerm.data.loading.cache import open_cache as open_cache
from residerm.inference import load as load

__version__: str
