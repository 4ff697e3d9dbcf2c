"""What is told of a training: its judgement as tables and pictures, and the page for readers (`ml.reports.page`)."""

from ml.reports.judgement import caveats, gains_chart, metrics_table, reliability_chart, summary

__all__ = ["caveats", "gains_chart", "metrics_table", "reliability_chart", "summary"]
