"""A CI matrix of a run: kernels to build once, shards to run, and how each CI is told."""

from harness.plan.matrix import BuildJob, Plan, ShardJob, make_plan
from harness.plan.render import FORMATS

__all__ = ["FORMATS", "BuildJob", "Plan", "ShardJob", "make_plan"]
