"""Working folders of workloads: what goes along, how it travels, how outputs come back."""
