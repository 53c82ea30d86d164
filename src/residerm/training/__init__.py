"""Training: `train(Experiment(...))` creates a run folder; `resume(folder)` resumes one."""
