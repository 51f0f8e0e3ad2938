"""Double entry for money, device-seconds, vouchers and privacy budgets."""
