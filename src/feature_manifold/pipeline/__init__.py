"""Stages with inputs and outputs: plan, skip, run, stamp."""
