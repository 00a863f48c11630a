"""The reports: pages about a network (structure, folding, activity), about two of them, and about a training."""

from xnorflow.report.page import Subject, write_comparison, write_report
from xnorflow.report.training import TrainingPage, write_training_report

__all__ = ["Subject", "TrainingPage", "write_comparison", "write_report", "write_training_report"]
