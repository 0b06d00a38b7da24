"""Figures: functions of arrays and frames."""
