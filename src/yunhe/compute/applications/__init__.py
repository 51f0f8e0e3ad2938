"""Applications for device time, vouchers and grants: rules as data, steps, awards from them."""
