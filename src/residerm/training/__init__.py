"""Training: `train(Experiment(...))` makes a run folder; `resume(folder)` goes on with one."""
