"""The report: one page that shows a network's structure, its folding, and its activity over time."""

from xnorflow.report.page import write_report

__all__ = ["write_report"]
