"""Witnesses (c2sp.org/tlog-witness): asking one, and being one.

A witness cosigns a checkpoint once it has seen that the tree only grew since the
last one that it cosigned. It keeps one checkpoint for each log, and no entries.
"""
