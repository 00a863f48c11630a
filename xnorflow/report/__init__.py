"""The reports: a page that shows a network's structure, its folding and its activity, and one about a training."""

from xnorflow.report.page import write_report
from xnorflow.report.training import TrainingPage, write_training_report

__all__ = ["TrainingPage", "write_report", "write_training_report"]
