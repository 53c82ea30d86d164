"""Training: `train(Experiment(...))` makes a run folder; `resume(folder)` resumes one."""
