"""What workloads have used of awards."""
