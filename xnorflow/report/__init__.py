"""The report: one page that shows what a network looks like, how it is folded, and what happens in it over time."""

from xnorflow.report.page import write_report

__all__ = ["write_report"]
