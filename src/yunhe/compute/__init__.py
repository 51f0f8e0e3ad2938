"""Pools, awards, vouchers, workloads, placement, metering and settlement."""
