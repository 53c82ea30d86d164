from residerm.commands import (
    bench as bench,
)
from residerm.commands import (
    bench_inference as bench_inference,
)
from residerm.commands import (
    bench_service as bench_service,
)
from residerm.commands import (
    calibrate as calibrate,
)
from residerm.commands import (
    check as check,
)
from residerm.commands import (
    clear_caches as clear_caches,
)
from residerm.commands import (
    demo as demo,
)
from residerm.commands import (
    evaluate as evaluate,
)
from residerm.commands import (
    explain as explain,
)
from residerm.commands import (
    export as export,
)
from residerm.commands import (
    fetch as fetch,
)
from residerm.commands import (
    list_archives as list_archives,
)
from residerm.commands import (
    list_caches as list_caches,
)
from residerm.commands import (
    list_models as list_models,
)
from residerm.commands import (
    list_runs as list_runs,
)
from residerm.commands import (
    predict as predict,
)
from residerm.commands import (
    preview as preview,
)
from residerm.commands import (
    resume as resume,
)
from residerm.commands import (
    serve as serve,
)
from residerm.commands import (
    split as split,
)
from residerm.commands import (
    stats as stats,
)
from residerm.commands import (
    synth as synth,
)
from residerm.commands import (
    theory_check as theory_check,
)
from residerm.commands import (
    theory_depth as theory_depth,
)
from residerm.commands import (
    theory_flow as theory_flow,
)
from residerm.commands import (
    train as train,
)
from residerm.commands import (
    train_folds as train_folds,
)
from residerm.commands import (
    train_members as train_members,
)
from residerm.config import Experiment as Experiment
from residerm.data.archives import open_archive as open_archive
from residerm.data.dataset import Dataset as Dataset
from residerm.data.loading.cache import open_cache as open_cache
from residerm.inference import load as load

__version__: str
