"""Agents at data centres: they fetch work from here and need no port that anybody can reach."""
